<?php
// Send by PHPMailer: php phpmailer.php careful_starttls HOST PORT [CA_FILE [SECONDS]].
// Without CA_FILE, what PHP trusts (openssl.cafile in php.ini, SSL_CERT_FILE, the system's).
// PHPMAILER names its autoloader: vendor/autoload.php of Composer, or Debian's.
require getenv('PHPMAILER') ?: 'libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\Exception;
use PHPMailer\PHPMailer\PHPMailer;

[, $how, $host, $port] = $argv;
$caFile = $argv[4] ?? '';
$seconds = (int) ($argv[5] ?? 10);

function careful_starttls(PHPMailer $mail, string $caFile, int $seconds): void
{
    $mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS; // demands STARTTLS
    $mail->SMTPOptions = ['ssl' => $caFile ? ['cafile' => $caFile] : []];
    $mail->Timeout = $seconds;
    $mail->getSMTPInstance()->Timelimit = $seconds;
}

function careful_implicit(PHPMailer $mail, string $caFile, int $seconds): void
{
    $mail->SMTPSecure = PHPMailer::ENCRYPTION_SMTPS; // TLS from the first octet
    $mail->SMTPOptions = ['ssl' => $caFile ? ['cafile' => $caFile] : []];
    $mail->Timeout = $seconds;
    $mail->getSMTPInstance()->Timelimit = $seconds;
}

function plain_starttls(PHPMailer $mail): void
{
    // Nothing: TLS is verified where it is on offer (SMTPAutoTLS), and left out where it is not.
}

function plain_implicit(PHPMailer $mail): void
{
    $mail->SMTPSecure = PHPMailer::ENCRYPTION_SMTPS;
}

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = $host;
$mail->Port = (int) $port;
$mail->SMTPAuth = true;
$mail->Username = 'me';
$mail->Password = 'secret';
$how($mail, $caFile, $seconds);
$mail->setFrom('a@example.com');
$mail->addAddress('b@example.org');
$mail->Subject = 'Hello';
$mail->Body = 'Hi.';
try {
    $mail->send();
} catch (Exception $error) {
    fwrite(STDERR, $error->getMessage() . PHP_EOL);
    exit(1);
}
