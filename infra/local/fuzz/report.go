package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
)

// row is what came of one caller's requests.
type row struct {
	caller     string
	cases      int
	seconds    float64
	operations int
	statuses   map[string]map[int]int // by operation: how often it was answered so
}

// read takes both of schemathesis's reports: its own count, and every request with its answer.
func (r *row) read(summary, requests string) error {
	raw, err := os.ReadFile(summary)
	if err != nil {
		return fmt.Errorf("schemathesis reported nothing: %w", err)
	}
	var s struct {
		Seconds    float64 `json:"running_time"`
		Complete   bool    `json:"complete"`
		Operations struct {
			Selected int `json:"selected"`
			Tested   int `json:"tested"`
		} `json:"operations"`
		Cases struct {
			Generated int `json:"generated"`
		} `json:"test_cases"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	r.cases, r.seconds, r.operations = r.cases+s.Cases.Generated, r.seconds+s.Seconds, r.operations+s.Operations.Tested
	if !s.Complete || s.Operations.Tested < s.Operations.Selected || s.Operations.Tested == 0 || s.Cases.Generated == 0 {
		err = fmt.Errorf("it did not come to its end: %d of %d operations", s.Operations.Tested, s.Operations.Selected)
	}
	file, opened := os.Open(requests)
	if opened != nil {
		return errors.Join(err, opened)
	}
	defer file.Close()
	return errors.Join(err, r.count(file))
}

// scenario is a line of the report of requests, as far as it is needed here.
type scenario struct {
	Finished *struct {
		Recorder struct {
			Cases map[string]struct {
				Value struct {
					Method string `json:"method"`
					Path   string `json:"path"`
				} `json:"value"`
			} `json:"cases"`
			Interactions map[string]struct {
				Response *struct {
					Status int `json:"status_code"`
				} `json:"response"`
			} `json:"interactions"`
		} `json:"recorder"`
	} `json:"ScenarioFinished"`
}

// count reads how each operation was answered.
func (r *row) count(lines io.Reader) error {
	in := bufio.NewReader(lines)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var s scenario
			if err := json.Unmarshal(line, &s); err != nil {
				return fmt.Errorf("the report of requests: %w", err)
			}
			if s.Finished != nil {
				for id, exchanged := range s.Finished.Recorder.Interactions {
					if exchanged.Response == nil {
						continue
					}
					v := s.Finished.Recorder.Cases[id].Value
					name := strings.ToUpper(v.Method) + " " + v.Path
					if r.statuses[name] == nil {
						r.statuses[name] = map[int]int{}
					}
					r.statuses[name][exchanged.Response.Status]++
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// granted are the operations that a caller got something from.
func (r *row) granted() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.statuses)) {
		for status := range r.statuses[name] {
			if status < 300 {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// judge adds what schemathesis does not look at: nobody is told anything but 401 where a credential is needed, or 400
// where a made-up one makes two. private are the operations that need one.
func (r *row) judge(private []string, c caller) error {
	if c.email != "" {
		return nil
	}
	var errs []error
	for _, name := range private {
		if len(r.statuses[name]) == 0 {
			errs = append(errs, fmt.Errorf("%s was not asked for", name))
		}
		for status, times := range r.statuses[name] {
			if status != http.StatusUnauthorized && status != http.StatusBadRequest {
				errs = append(errs, fmt.Errorf("%s answered %d, %d times, to nobody", name, status, times))
			}
		}
	}
	return errors.Join(errs...)
}

func show(out io.Writer, table []row) {
	fmt.Fprintf(out, "%-10s %6s %8s %11s %8s\n", "as", "cases", "seconds", "operations", "granted")
	for _, r := range table {
		fmt.Fprintf(out, "%-10s %6d %8.1f %11d %8d\n", r.caller, r.cases, r.seconds, r.operations, len(r.granted()))
	}
}

// unreached are the operations of the document that no caller got anything from: of these, only refusals were looked at.
func unreached(table []row, private []string) []string {
	var names []string
	for _, name := range private {
		if !slices.ContainsFunc(table, func(r row) bool { return slices.Contains(r.granted(), name) }) {
			names = append(names, name)
		}
	}
	return names
}
