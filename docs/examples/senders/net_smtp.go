// Send by Go's net/smtp: go run net_smtp.go careful_starttls HOST PORT [CA_FILE [SECONDS]].
// Without CA_FILE, what the system trusts (SSL_CERT_FILE names another).
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strconv"
	"time"
)

var mail = []byte("From: a@example.com\r\nTo: b@example.org\r\nSubject: Hello\r\n\r\nHi.\r\n")

// trust returns what to verify with: the authority of a file, or what the system trusts.
func trust(host, caFile string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host}
	if caFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AppendCertsFromPEM(pem)
	return config, nil
}

func carefulStarttls(host, port, caFile string, limit time.Duration) error {
	config, err := trust(host, caFile)
	if err != nil {
		return err
	}
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), limit)
	if err != nil {
		return err
	}
	connection.SetDeadline(time.Now().Add(limit))
	client, err := smtp.NewClient(connection, host)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.StartTLS(config); err != nil { // fails where it is not on offer
		return err
	}
	return deliver(client, host)
}

func carefulImplicit(host, port, caFile string, limit time.Duration) error {
	config, err := trust(host, caFile)
	if err != nil {
		return err
	}
	dialer := &net.Dialer{Timeout: limit}
	connection, err := tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(host, port), config)
	if err != nil {
		return err
	}
	connection.SetDeadline(time.Now().Add(limit))
	client, err := smtp.NewClient(connection, host)
	if err != nil {
		return err
	}
	defer client.Close()
	return deliver(client, host)
}

// plainStarttls is the shortest call: TLS is verified where it is on offer, and left out where it is not;
// PlainAuth then refuses to send the password, unless the host is localhost.
func plainStarttls(host, port string) error {
	auth := smtp.PlainAuth("", "me", "secret", host)
	return smtp.SendMail(net.JoinHostPort(host, port), auth, "a@example.com", []string{"b@example.org"}, mail)
}

func plainImplicit(host, port string) error {
	connection, err := tls.Dial("tcp", net.JoinHostPort(host, port), nil)
	if err != nil {
		return err
	}
	client, err := smtp.NewClient(connection, host)
	if err != nil {
		return err
	}
	defer client.Close()
	return deliver(client, host)
}

func deliver(client *smtp.Client, host string) error {
	if err := client.Auth(smtp.PlainAuth("", "me", "secret", host)); err != nil {
		return err
	}
	if err := client.Mail("a@example.com"); err != nil {
		return err
	}
	if err := client.Rcpt("b@example.org"); err != nil {
		return err
	}
	content, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := content.Write(mail); err != nil {
		return err
	}
	if err := content.Close(); err != nil { // the server's answer to the content
		return err
	}
	client.Quit() // the mail is accepted: an error here changes nothing
	return nil
}

func main() {
	how, host, port := os.Args[1], os.Args[2], os.Args[3]
	caFile, seconds := "", 10.0
	if len(os.Args) > 4 {
		caFile = os.Args[4]
	}
	if len(os.Args) > 5 {
		seconds, _ = strconv.ParseFloat(os.Args[5], 64)
	}
	limit := time.Duration(seconds * float64(time.Second))
	send := map[string]func() error{
		"careful_starttls": func() error { return carefulStarttls(host, port, caFile, limit) },
		"careful_implicit": func() error { return carefulImplicit(host, port, caFile, limit) },
		"plain_starttls":   func() error { return plainStarttls(host, port) },
		"plain_implicit":   func() error { return plainImplicit(host, port) },
	}[how]
	if err := send(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
