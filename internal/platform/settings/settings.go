// Package settings reads a function's environment, once, at start. What is
// missing or malformed is collected and ends the function with one clear
// message, instead of a surprise at the first request.
package settings

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings reads variables by a function's os.Getenv.
type Settings struct {
	getenv   func(string) string
	problems []string
}

// From returns Settings that read by getenv.
func From(getenv func(string) string) *Settings { return &Settings{getenv: getenv} }

// Text is a variable that must be set.
func (s *Settings) Text(name string) string {
	v := s.getenv(name)
	if v == "" {
		s.problems = append(s.problems, name+" is not set")
	}
	return v
}

// Optional is a variable that may be empty.
func (s *Settings) Optional(name string) string { return s.getenv(name) }

// Number is a variable that must hold a positive whole number.
func (s *Settings) Number(name string) int {
	n, err := strconv.Atoi(s.Text(name))
	if err != nil || n <= 0 {
		s.problems = append(s.problems, fmt.Sprintf("%s is %q, not a positive whole number", name, s.getenv(name)))
	}
	return n
}

// Duration is a variable that counts units.
func (s *Settings) Duration(name string, unit time.Duration) time.Duration {
	return time.Duration(s.Number(name)) * unit
}

// Parsed is a variable that parse must be able to read.
func Parsed[T any](s *Settings, name string, parse func(string) (T, error)) T {
	v, err := parse(s.getenv(name))
	if err != nil {
		s.problems = append(s.problems, fmt.Sprintf("%s: %v", name, err))
	}
	return v
}

// Check ends the function when anything was missing or malformed.
func (s *Settings) Check() {
	if err := s.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Err names everything that was missing or malformed.
func (s *Settings) Err() error {
	if len(s.problems) == 0 {
		return nil
	}
	return fmt.Errorf("environment: %s", strings.Join(s.problems, "; "))
}
