// Decisions over HTTP: `gateway URL < payments`, one a line.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const deadline = 10 * time.Second

func decide(client *http.Client, url string, payment []byte) (string, error) {
	request, err := http.NewRequest("POST", url+"/v1/decisions", bytes.NewReader(payment))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Deadline-Ms", fmt.Sprint(deadline.Milliseconds()))
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body) // 200: a decision or a time-out; others: a problem with code and detail
	return string(body), err
}

func main() {
	client := &http.Client{Timeout: deadline + time.Second}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := decide(client, os.Args[1], lines.Bytes())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(answer)
	}
}
