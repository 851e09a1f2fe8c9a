# PHPMailer; $AUTOLOAD names the file that loads it, else it is vendor/autoload.php of Composer
exec python -m pytest_smtp4d judge "$@" -- php phpmailer.php '{host}' '{port}' '{ca}' '{user}' '{password}' </dev/null
