<?php
// A PHP client as shops without curl have it: PHP's own streams, a limit on each read, and eyes for
// the JSON alone.
//
// pay_streams.php BASE_URL SECONDS [--key KEY]: bodies come on the standard input, one a line; for
// each a line of JSON says what the shop would believe, and what came.
[, $base, $seconds] = $argv;
$options = array_slice($argv, 3);
$fields = ['Content-Type: application/json', 'Authorization: Basic ' . base64_encode(getenv('SHOP'))];
if (in_array('--key', $options)) {
    $fields[] = 'RequestID: ' . $options[array_search('--key', $options) + 1];
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
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => $fields,
        'content' => rtrim($body, "\n"),
        'timeout' => (float) $seconds,
        'ignore_errors' => true,
    ]]);
    $begun = microtime(true);
    $http_response_header = [];
    $answer = @file_get_contents("$base/transactions/payments", false, $context);
    $read = json_decode((string) $answer);
    if (is_object($read)) {
        $believed = believed($read);
    } elseif (microtime(true) - $begun >= $seconds) {
        $believed = 'timeout';
    } else {
        $believed = 'transport ' . (error_get_last()['message'] ?? '');
    }
    echo json_encode([
        'believed' => $believed,
        'status' => (int) (explode(' ', $http_response_header[0] ?? '')[1] ?? 0),
        'body' => base64_encode((string) $answer),
    ]), "\n";
}
