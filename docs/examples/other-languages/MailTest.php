<?php
// Tests a program that sends mail, here PHPMailer, by PHPUnit: start, wait, send, ask, break, reset, stop.
// Needs Python with `pytest-smtp4d[serve]` (as $PYTHON, else python3), PHPUnit 9 or newer and PHPMailer 6.
// $AUTOLOAD names the file that loads PHPMailer, else it is vendor/autoload.php of Composer.
declare(strict_types=1);

use PHPMailer\PHPMailer\Exception as MailerException;
use PHPMailer\PHPMailer\PHPMailer;
use PHPUnit\Framework\TestCase;

require_once getenv('AUTOLOAD') ?: __DIR__ . '/vendor/autoload.php';

final class MailTest extends TestCase
{
    private static string $folder;
    /** @var resource */
    private static $server;
    /** @var resource the server ends when this pipe does, whatever becomes of this process */
    private static $stdin;
    private static object $ready;

    public static function setUpBeforeClass(): void
    {
        self::$folder = sys_get_temp_dir() . '/mail-' . bin2hex(random_bytes(6));
        mkdir(self::$folder);
        $file = self::$folder . '/ready';
        $command = [getenv('PYTHON') ?: 'python3', '-m', 'pytest_smtp4d', 'serve', '--port', '0', '--http', '0',
            '--ready-file', $file, '--ca-dir', self::$folder . '/ca', '--print', 'nothing', '--until-stdin-closes'];
        self::$server = proc_open($command, [0 => ['pipe', 'r'], 2 => ['file', self::$folder . '/log', 'w']], $pipes);
        self::$stdin = $pipes[0];
        while (!is_file($file)) {
            if (!proc_get_status(self::$server)['running']) {
                throw new RuntimeException(file_get_contents(self::$folder . '/log'));
            }
            usleep(50_000);
            clearstatcache();
        }
        self::$ready = json_decode(file_get_contents($file), flags: JSON_THROW_ON_ERROR);
    }

    public static function tearDownAfterClass(): void
    {
        fclose(self::$stdin);
        proc_close(self::$server);
        $files = new RecursiveDirectoryIterator(self::$folder, FilesystemIterator::SKIP_DOTS);
        foreach (new RecursiveIteratorIterator($files, RecursiveIteratorIterator::CHILD_FIRST) as $path => $file) {
            $file->isDir() ? rmdir($path) : unlink($path);
        }
        rmdir(self::$folder);
    }

    protected function setUp(): void
    {
        self::api('POST', '/reset');
    }

    private static function api(string $method, string $path, ?array $body = null): mixed
    {
        $options = ['method' => $method, 'ignore_errors' => true, 'header' => 'Content-Type: application/json',
            'content' => $body === null ? '' : json_encode($body)];
        $answer = file_get_contents(self::$ready->http . '/api/v1' . $path, false,
            stream_context_create(['http' => $options]));
        $status = (int) explode(' ', $http_response_header[0])[1];
        self::assertLessThan(400, $status, (string) $answer);
        return json_decode((string) $answer, true);
    }

    private static function send(string $subject): void
    {
        $mail = new PHPMailer(true);
        $mail->isSMTP();
        $mail->Host = 'localhost';
        $mail->Port = self::$ready->port;
        $mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS;
        $mail->SMTPOptions = ['ssl' => ['cafile' => self::$ready->caFile]];
        $mail->setFrom('shop@example.com');
        $mail->addAddress('bob@example.org');
        $mail->Subject = $subject;
        $mail->Body = '42';
        $mail->send();
    }

    public function testAMailArrivesOverTlsThatWasVerified(): void
    {
        self::send('Invoice');
        [$message] = self::api('GET', '/messages?subject=invoice&wait=5');
        self::assertSame(['bob@example.org'], $message['rcptTo']);
        self::assertStringStartsWith('TLS', $message['tls']);
        self::api('POST', '/check');
    }

    public function testARefusalReachesTheCaller(): void
    {
        self::api('POST', '/faults', ['stage' => 'RCPT', 'reply' => [550, '5.1.1 No such user']]);
        try {
            self::send('Refused');
            self::fail('the fault did not act');
        } catch (MailerException $error) {
            self::assertStringContainsString('No such user', $error->getMessage());
        }
        self::assertSame([], self::api('GET', '/messages'));
    }
}
