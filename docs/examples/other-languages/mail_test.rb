# Tests a program that sends mail, here net/smtp, by minitest: start, wait, send, ask, break, reset, stop.
# Needs Python with `pytest-smtp4d[serve]` (as $PYTHON, else python3), Ruby 3.1 or newer, and the gems minitest
# and net-smtp, which Debian's Ruby brings.
require "json"
require "minitest/autorun"
require "net/http"
require "net/smtp"
require "tmpdir"

# One server for all tests of this process.
module Mailbox
  FOLDER = Dir.mktmpdir("mail-")
  FILE = File.join(FOLDER, "ready")
  INPUT, OUTPUT = IO.pipe # the server ends when this pipe does, whatever becomes of this process
  PID = spawn(ENV.fetch("PYTHON", "python3"), "-m", "pytest_smtp4d", "serve", "--port", "0", "--http", "0",
              "--ready-file", FILE, "--ca-dir", File.join(FOLDER, "ca"), "--print", "nothing",
              "--until-stdin-closes", in: INPUT, err: File.join(FOLDER, "log"))
  INPUT.close
  until File.exist?(FILE)
    abort File.read(File.join(FOLDER, "log")) if Process.wait(PID, Process::WNOHANG)
    sleep 0.05
  end
  READY = JSON.parse(File.read(FILE))

  Minitest.after_run do
    OUTPUT.close
    Process.wait(PID)
    FileUtils.remove_entry(FOLDER)
  end
end

class MailTest < Minitest::Test
  REQUESTS = { get: Net::HTTP::Get, post: Net::HTTP::Post }.freeze

  def setup
    api(:post, "/reset")
  end

  def api(method, path, body = nil)
    uri = URI("#{Mailbox::READY["http"]}/api/v1#{path}")
    request = REQUESTS.fetch(method).new(uri, "Content-Type" => "application/json")
    request.body = body ? JSON.generate(body) : ""
    answer = Net::HTTP.start(uri.host, uri.port) { |http| http.request(request) }
    assert_kind_of Net::HTTPSuccess, answer, answer.body
    JSON.parse(answer.body) if answer.body&.start_with?("[", "{")
  end

  def send_mail(subject)
    trusted = OpenSSL::X509::Store.new.add_file(Mailbox::READY["caFile"])
    context = OpenSSL::SSL::SSLContext.new
    context.set_params(verify_mode: OpenSSL::SSL::VERIFY_PEER, cert_store: trusted)
    smtp = Net::SMTP.new("localhost", Mailbox::READY["port"])
    smtp.enable_starttls(context)
    message = "From: shop@example.com\r\nTo: bob@example.org\r\nSubject: #{subject}\r\n\r\n42\r\n"
    smtp.start("localhost") { |session| session.send_message(message, "shop@example.com", "bob@example.org") }
  end

  def test_a_mail_arrives_over_tls_that_was_verified
    send_mail("Invoice")
    message, = api(:get, "/messages?subject=invoice&wait=5")
    assert_equal ["bob@example.org"], message["rcptTo"]
    assert_match(/\ATLS/, message["tls"])
    api(:post, "/check")
  end

  def test_a_refusal_reaches_the_caller
    api(:post, "/faults", { stage: "RCPT", reply: [550, "5.1.1 No such user"] })
    error = assert_raises(Net::SMTPFatalError) { send_mail("Refused") }
    assert_match(/5\.1\.1/, error.message)
    assert_empty api(:get, "/messages")
  end
end
