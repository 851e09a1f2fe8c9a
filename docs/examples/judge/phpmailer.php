<?php
require getenv('AUTOLOAD') ?: 'vendor/autoload.php';

[, $host, $port, $ca, $user, $password] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer();
$mail->isSMTP();
$mail->Host = $host;
$mail->Port = (int) $port;
$mail->SMTPSecure = 'tls';
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca]];
$mail->SMTPAuth = true;
$mail->Username = $user;
$mail->Password = $password;
$mail->Hostname = 'client.example.com';
$mail->Timeout = 2;
$mail->getSMTPInstance()->Timelimit = 2;
$mail->setFrom('ada@example.com');
$mail->addAddress('bob@example.org');
$mail->Subject = 'Hello';
$mail->Body = 'Hello Bob.';
if (!$mail->send()) {
    fwrite(STDERR, $mail->ErrorInfo . "\n");
    exit(1);
}
