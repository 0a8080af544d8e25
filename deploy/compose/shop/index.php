<?php
// A shop as there are many: one page that pays synchronously and knows nothing of holdline.
$paid = null;
if (($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'POST') {
    $order = $_POST['order'] ?? bin2hex(random_bytes(4));
    $call = curl_init(getenv('GATEWAY') . '/transactions/payments');
    curl_setopt_array($call, [
        CURLOPT_POST => true,
        CURLOPT_USERPWD => getenv('SHOP'),
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Accept: application/json'],
        CURLOPT_POSTFIELDS => json_encode(['request' => [
            'amount' => (int) ($_POST['amount'] ?? 1999),
            'currency' => 'USD',
            'description' => 'Order ' . $order,
            'tracking_id' => $order,
            'credit_card' => [
                'number' => $_POST['card'] ?? '4200000000000000',
                'verification_value' => '123',
                'holder' => 'John Doe',
                'exp_month' => '01',
                'exp_year' => '2030',
            ],
        ]]),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 10,
        CURLOPT_TIMEOUT => 30,
    ]);
    $answer = curl_exec($call);
    $read = is_string($answer) ? json_decode($answer) : null;
    $paid = $read->transaction->message ?? $read->message ?? 'No answer: ' . curl_error($call);
}
$order = $_POST['order'] ?? bin2hex(random_bytes(4));
$show = fn (string $text): string => htmlspecialchars($text, ENT_QUOTES);
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Shop</title>
<h1>Order <?= $show($order) ?></h1>
<?php if ($paid !== null) { ?>
<p><strong><?= $show($paid) ?></strong></p>
<p><a href="/">A new order</a></p>
<?php } ?>
<form method="post">
    <input type="hidden" name="order" value="<?= $show($order) ?>">
    <p><label>Amount in cents <input name="amount" value="1999"></label>
    <p><label>Card
        <select name="card">
            <option value="4200000000000000">one that pays</option>
            <option value="4005550000000019">one that is declined</option>
        </select></label>
    <p><button>Pay</button>
</form>
</html>
