// Package s3 is the Simple Storage Service of the local stack: objects in the template's buckets, path style, over a folder.
//
// It puts, gets, heads and deletes one object at a time, and gets a range. Lists, versions, multipart uploads, presigned
// addresses and bucket policies do not exist: asking for one is an error of S3's shape.
package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"pagefree/infra/local/template"
)

// Limits. Source: S3 user guide; the first is the local stack's own, where AWS takes 5 GB.
const (
	maxObject = 16 << 20
	maxKey    = 1024 // bytes
)

// Options say where the objects live and which buckets there are.
type Options struct {
	Dir     string // empty: in memory only
	Buckets map[string]*template.Bucket
}

// Service holds the buckets of one account.
type Service struct {
	dir     string
	buckets map[string]bool

	mu     sync.RWMutex
	memory map[string]object // by file name, without a folder
}

type object struct {
	body []byte
	at   time.Time
}

// New gives the template's buckets. What was put into the folder before is still there.
func New(o Options) *Service {
	s := &Service{dir: o.Dir, buckets: map[string]bool{}, memory: map[string]object{}}
	for _, b := range o.Buckets {
		s.buckets[b.Name] = true
	}
	return s
}

// Error is an error as S3 answers it, in XML.
type Error struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
	Status  int `xml:"-"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The errors of what is not there.
var (
	errNoBucket = &Error{Code: "NoSuchBucket", Message: "The specified bucket does not exist", Status: http.StatusNotFound}
	errNoKey    = &Error{Code: "NoSuchKey", Message: "The specified key does not exist.", Status: http.StatusNotFound}
)

// Split takes the path of a request apart: /bucket/key.
func Split(u *url.URL) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return bucket, key
}

// Operation names what a request asks for, as IAM and CloudTrail do; empty where the local stack does not serve it.
func Operation(r *http.Request) string {
	_, key := Split(r.URL)
	for name := range r.URL.Query() {
		if name != "x-id" {
			return ""
		}
	}
	if key == "" {
		return ""
	}
	return map[string]string{"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}[r.Method]
}

// Has tells whether there is such an object.
func (s *Service) Has(bucket, key string) bool {
	_, err := s.get(bucket, key)
	return err == nil
}

// ServeHTTP serves one operation.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.serve(w, r); err != nil {
		WriteError(w, err)
	}
}

// WriteError answers an error as S3 does. An error that is not an *Error is a fault of ours, a 500.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError}
	}
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("x-amz-request-id", uuid.NewString())
	w.WriteHeader(e.Status)
	body, err := xml.Marshal(e)
	if err != nil {
		return
	}
	_, _ = w.Write(append([]byte(xml.Header), body...)) // a client that has gone needs no answer
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) error {
	bucket, key := Split(r.URL)
	op := Operation(r)
	if op == "" {
		return &Error{Code: "NotImplemented", Message: "the local stack does not serve " + r.Method + " " + r.URL.RequestURI(), Status: http.StatusNotImplemented}
	}
	w.Header().Set("x-amz-request-id", uuid.NewString())
	switch op {
	case "PutObject":
		if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
			return &Error{Code: "NotImplemented", Message: "the local stack takes plain bodies, no signed chunks", Status: http.StatusNotImplemented}
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxObject+1))
		if err != nil {
			return err
		}
		if err := s.Put(bucket, key, body); err != nil {
			return err
		}
		w.Header().Set("ETag", etag(body))
		w.WriteHeader(http.StatusOK)
		return nil
	case "DeleteObject":
		if err := s.remove(bucket, key); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	o, err := s.get(bucket, key)
	if err != nil {
		return err
	}
	if len(o.body) == 0 && r.Header.Get("Range") != "" {
		return &Error{Code: "InvalidRange", Message: "The requested range is not satisfiable", Status: http.StatusRequestedRangeNotSatisfiable}
	}
	w.Header().Set("ETag", etag(o.body))
	w.Header().Set("Content-Type", "binary/octet-stream")
	http.ServeContent(w, r, "", o.at, bytes.NewReader(o.body))
	return nil
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// Put writes an object, or replaces it whole.
func (s *Service) Put(bucket, key string, body []byte) error {
	file, err := s.file(bucket, key)
	if err != nil {
		return err
	}
	if len(body) > maxObject {
		return &Error{Code: "EntityTooLarge", Message: fmt.Sprintf("the local stack takes %d bytes", maxObject), Status: http.StatusBadRequest}
	}
	if s.dir == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.memory[file] = object{bytes.Clone(body), time.Now()}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	half := file + "." + uuid.NewString()
	if err := os.WriteFile(half, body, 0o600); err != nil {
		return err
	}
	return os.Rename(half, file)
}

func (s *Service) get(bucket, key string) (object, error) {
	file, err := s.file(bucket, key)
	if err != nil {
		return object{}, err
	}
	if s.dir == "" {
		s.mu.RLock()
		defer s.mu.RUnlock()
		o, ok := s.memory[file]
		if !ok {
			return object{}, errNoKey
		}
		return o, nil
	}
	body, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return object{}, errNoKey
	}
	if err != nil {
		return object{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return object{}, err
	}
	return object{body, info.ModTime()}, nil
}

// remove deletes an object. One that is not there is as good as deleted.
func (s *Service) remove(bucket, key string) error {
	file, err := s.file(bucket, key)
	if err != nil {
		return err
	}
	if s.dir == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.memory, file)
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// file is where an object lies. Each part of the key is a folder with a mark before its escaped name, the last one a file
// with another, so that no key leaves its bucket, and a and a/b may both be there.
func (s *Service) file(bucket, key string) (string, error) {
	if !s.buckets[bucket] {
		return "", errNoBucket
	}
	if len(key) > maxKey {
		return "", &Error{Code: "KeyTooLongError", Message: "Your key is too long", Status: http.StatusBadRequest}
	}
	parts := strings.Split(key, "/")
	for i, p := range parts {
		mark := "d-"
		if i == len(parts)-1 {
			mark = "o-"
		}
		parts[i] = mark + url.PathEscape(p)
		if len(parts[i]) > 200 {
			return "", &Error{Code: "KeyTooLongError", Message: "the local stack keeps parts of a key in file names", Status: http.StatusBadRequest}
		}
	}
	return filepath.Join(append([]string{s.dir, bucket}, parts...)...), nil
}
