// Command words counts the words that it reads.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
)

var version = "none"

func main() {
	showVersion := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *showVersion {
		fmt.Println(version)
		return
	}
	count, err := countWords(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	fmt.Println(count)
}

func countWords(from io.Reader) (int, error) {
	scanner := bufio.NewScanner(from)
	scanner.Split(bufio.ScanWords)
	count := 0
	for scanner.Scan() {
		count++
	}
	return count, scanner.Err()
}
