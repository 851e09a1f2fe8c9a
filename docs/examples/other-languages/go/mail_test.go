// Package mail tests a program that sends mail, here net/smtp, by go test: start, wait, send, ask, break, reset,
// stop. It needs Python with pytest-smtp4d[serve] (as $PYTHON, else python3) and Go 1.19 or newer.
package mail

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ready is what the ready file says.
var ready struct {
	Port   int
	HTTP   string
	CAFile string
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "mail-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	file := filepath.Join(folder, "ready")
	server := exec.Command(python, "-m", "pytest_smtp4d", "serve", "--port", "0", "--http", "0",
		"--ready-file", file, "--ca-dir", filepath.Join(folder, "ca"), "--print", "nothing", "--until-stdin-closes")
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe() // the server ends when this pipe does, whatever becomes of this process
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	for {
		if text, err := os.ReadFile(file); err == nil {
			if err := json.Unmarshal(text, &ready); err != nil {
				log.Fatal(err)
			}
			break
		}
		select {
		case err := <-ended:
			log.Fatal("the server ended: ", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	status := m.Run()
	stdin.Close()
	<-ended
	return status
}

type message struct {
	RcptTo []string
	TLS    string
}

func api(t *testing.T, method, path, body string) (messages []message) {
	t.Helper()
	request, err := http.NewRequest(method, ready.HTTP+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		t.Fatalf("%s %s: %d %s %v", method, path, answer.StatusCode, text, err)
	}
	if bytes.HasPrefix(text, []byte("[")) {
		if err := json.Unmarshal(text, &messages); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

func send(t *testing.T, subject string) error {
	t.Helper()
	pem, err := os.ReadFile(ready.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	client, err := smtp.Dial(fmt.Sprintf("localhost:%d", ready.Port))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.StartTLS(&tls.Config{RootCAs: trusted, ServerName: "localhost"}); err != nil {
		return err
	}
	if err := client.Mail("shop@example.com"); err != nil {
		return err
	}
	if err := client.Rcpt("bob@example.org"); err != nil {
		client.Quit()
		return err
	}
	content, err := client.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(content, "From: shop@example.com\r\nTo: bob@example.org\r\nSubject: %s\r\n\r\n42\r\n", subject)
	if err := content.Close(); err != nil {
		return err
	}
	return client.Quit()
}

func TestAMailArrivesOverTLSThatWasVerified(t *testing.T) {
	api(t, "POST", "/reset", "")
	if err := send(t, "Invoice"); err != nil {
		t.Fatal(err)
	}
	messages := api(t, "GET", "/messages?subject=invoice&wait=5", "")
	if len(messages) != 1 || messages[0].RcptTo[0] != "bob@example.org" || !strings.HasPrefix(messages[0].TLS, "TLS") {
		t.Fatalf("received %+v", messages)
	}
	api(t, "POST", "/check", "")
}

func TestARefusalReachesTheCaller(t *testing.T) {
	api(t, "POST", "/reset", "")
	api(t, "POST", "/faults", `{"stage": "RCPT", "reply": [550, "5.1.1 No such user"]}`)
	if err := send(t, "Refused"); err == nil || !strings.Contains(err.Error(), "5.1.1") {
		t.Fatalf("the fault did not act: %v", err)
	}
	if messages := api(t, "GET", "/messages", ""); len(messages) != 0 {
		t.Fatalf("received %+v", messages)
	}
}
