// Go's own HTTP client as it comes, over HTTP/2 and over HTTP/1.1.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
)

const base = "https://api.example.com:9443"

func told(step string, answer *http.Response, err error) {
	if err != nil {
		fmt.Println(step, err)
		os.Exit(1)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Printf("%s %s %d %d %x %v\n", step, answer.Proto, answer.StatusCode, len(body), sha256.Sum256(body), err)
}

func main() {
	old := &http.Client{Transport: &http.Transport{
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
	for _, client := range []*http.Client{http.DefaultClient, old} {
		for _, path := range []string{"/text", "/large", "/none"} {
			answer, err := client.Get(base + path)
			told(path, answer, err)
		}
		body := bytes.Repeat([]byte("\x00\xff some bytes "), 20000)
		answer, err := client.Post(base+"/echo", "application/octet-stream", bytes.NewReader(body))
		told("echo", answer, err)
	}
}
