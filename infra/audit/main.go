// Command audit verifies exports of the audit trail (GET /v1/audit/export). It needs the files and nothing else:
//
//	go run ./infra/audit verify [-key FILE]... FILE...
//
// A file may hold several pages, and pages may come in several files. -key names a file with the public key (DER, its
// base64, or PEM) that blocks must be signed by. It exits with 0 when all is as it was signed, with 1 when not, and with
// 2 when it could not look.
package main

import (
	"crypto/ecdsa"
	"flag"
	"fmt"
	"io"
	"os"

	"pagefree/infra/audit/verify"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = "usage: go run ./infra/audit verify [-key FILE]... FILE..."

func run(args []string, out, errs io.Writer) int {
	fail := func(err error) int {
		_, _ = fmt.Fprintln(errs, "audit:", err)
		return 2
	}
	if len(args) == 0 || args[0] != "verify" {
		_, _ = fmt.Fprintln(errs, usage)
		return 2
	}
	var pinned []*ecdsa.PublicKey
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { _, _ = fmt.Fprintln(errs, usage) }
	flags.Func("key", "a file with the public key", func(path string) error {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key, err := verify.ParseKey(raw)
		pinned = append(pinned, key)
		return err
	})
	if err := flags.Parse(args[1:]); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		_, _ = fmt.Fprintln(errs, usage)
		return 2
	}
	var files []verify.Input
	for _, path := range flags.Args() {
		file, err := os.Open(path)
		if err != nil {
			return fail(err)
		}
		defer file.Close()
		files = append(files, verify.Input{Name: path, Data: file})
	}
	report := verify.Files(files, pinned)
	report.Write(out, len(pinned) > 0)
	if !report.OK() {
		return 1
	}
	return 0
}
