package console

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
)

// upload says which field of a form is a file, and how large it may be.
type upload struct {
	field string
	limit int64
}

// File is what somebody sent with a form. The zero File is none: whoever chose
// no file sends an empty one without a name.
type File struct {
	Type string // the media type that the browser says it is
	Data []byte
}

// File is the file of a form of Upload.
func (c *Call) File() File { return c.file }

// Limits of a form with a file, beside the file itself: its other fields, and
// the lines between all of them, in bytes; and how many fields it has.
const (
	maxAround = 16 << 10
	maxParts  = 16
)

// readUpload reads a form with a file. Nothing is written to disk.
func (c *Call) readUpload() error {
	media, params, _ := mime.ParseMediaType(c.R.Header.Get("Content-Type"))
	if media != "multipart/form-data" || params["boundary"] == "" {
		return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "This page takes a form with a file.")
	}
	parts := multipart.NewReader(http.MaxBytesReader(nil, c.R.Body, c.takes.limit+maxAround), params["boundary"])
	c.form = url.Values{}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var data []byte
		if err == nil {
			data, err = io.ReadAll(part)
		}
		if err != nil {
			return unread(err)
		}
		name := part.FormName()
		switch {
		case name == c.takes.field && part.FileName() != "":
			if int64(len(data)) > c.takes.limit {
				return errLargeForm
			}
			c.file = File{Type: part.Header.Get("Content-Type"), Data: data}
		case name != "" && name != c.takes.field && part.FileName() == "" && utf8.Valid(data):
			c.form.Add(name, string(data))
		case name != c.takes.field:
			return errFormUnread
		}
	}
	return errFormUnread
}

var (
	errLargeForm  = problem.New(http.StatusRequestEntityTooLarge, problem.BodyTooLarge, "The form is larger than this page takes.")
	errFormUnread = problem.New(http.StatusBadRequest, "body_invalid", "The form cannot be read.")
)

func unread(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return errLargeForm
	}
	return errFormUnread
}
