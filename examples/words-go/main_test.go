package main

import (
	"strings"
	"testing"
)

func TestCountWords(t *testing.T) {
	for text, expected := range map[string]int{
		"":                0,
		"one":             1,
		"one two\nthree ": 3,
		"  \n\t ":         0,
		"鉄 砂":             2,
	} {
		count, err := countWords(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if count != expected {
			t.Errorf("countWords(%q) = %d, expected %d", text, count, expected)
		}
	}
}
