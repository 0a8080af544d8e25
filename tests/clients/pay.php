<?php
// A PHP client as shops have it: curl, a new connection a call, a limit on the whole call, and eyes
// for the JSON alone: the HTTP status is not looked at.
//
// pay.php BASE_URL SECONDS [--key KEY] [--expect]: bodies come on the standard input, one a line;
// for each a line of JSON says what the shop would believe, and what came.
[, $base, $seconds] = $argv;
$options = array_slice($argv, 3);
$key = in_array('--key', $options) ? $options[array_search('--key', $options) + 1] : null;

$fields = ['Content-Type: application/json', 'Accept: application/json'];
if ($key !== null) {
    $fields[] = "RequestID: $key";
}
if (in_array('--expect', $options)) {
    $fields[] = 'Expect: 100-continue';
}

// What is neither a transaction nor an error in one of the two known shapes leaves the shop in limbo.
function believed(?object $answer): string
{
    if (isset($answer->transaction->status)) {
        return $answer->transaction->status;
    }
    return isset($answer->response) || isset($answer->errors) ? 'error' : 'nothing';
}

while (($body = fgets(STDIN)) !== false) {
    $call = curl_init("$base/transactions/payments");
    curl_setopt_array($call, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => rtrim($body, "\n"),
        CURLOPT_HTTPHEADER => $fields,
        CURLOPT_USERPWD => getenv('SHOP'),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 10,
        CURLOPT_TIMEOUT_MS => (int) ($seconds * 1000),
        CURLOPT_NOSIGNAL => true,
        CURLOPT_FORBID_REUSE => true,
        // Whoever is sent no 100 waits for longer than the whole call may take.
        CURLOPT_EXPECT_100_TIMEOUT_MS => 3600 * 1000,
    ]);
    $answer = curl_exec($call);
    $error = curl_errno($call);
    if ($error === CURLE_OPERATION_TIMEDOUT) {
        $believed = 'timeout';
    } elseif ($answer === false) {
        $believed = 'transport ' . curl_error($call);
    } else {
        $read = json_decode($answer);
        $believed = believed(is_object($read) ? $read : null);
    }
    echo json_encode([
        'believed' => $believed,
        'status' => curl_getinfo($call, CURLINFO_RESPONSE_CODE),
        'body' => base64_encode((string) $answer),
    ]), "\n";
}
