package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"pagefree/infra/local/s3"
	"pagefree/infra/local/template"
)

func client(t *testing.T, dir string) *api.Client {
	t.Helper()
	server := httptest.NewServer(s3.New(s3.Options{Dir: dir, Buckets: map[string]*template.Bucket{"B": {Name: "out"}}}))
	t.Cleanup(server.Close)
	return api.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}, func(o *api.Options) { o.UsePathStyle = true })
}

func put(t *testing.T, c *api.Client, bucket, key, body string) error {
	t.Helper()
	_, err := c.PutObject(t.Context(), &api.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	return err
}

func get(t *testing.T, c *api.Client, bucket, key, part string) (string, error) {
	t.Helper()
	in := &api.GetObjectInput{Bucket: &bucket, Key: &key}
	if part != "" {
		in.Range = &part
	}
	out, err := c.GetObject(t.Context(), in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), nil
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func TestObjects(t *testing.T) {
	for name, dir := range map[string]string{"in memory": "", "in a folder": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			c := client(t, dir)
			objects := map[string]string{"a": "one", "a/b": "two", "../../x": "three", "ü /%2e%2e/.": "four", "empty": "", "a/b/": "five"}
			for key, body := range objects {
				if err := put(t, c, "out", key, body); err != nil {
					t.Fatal(err)
				}
			}
			if dir != "" {
				c = client(t, dir) // over a restart
			}
			for key, want := range objects {
				if got, err := get(t, c, "out", key, ""); err != nil || got != want {
					t.Errorf("%s: got %q, %v", key, got, err)
				}
			}
			for part, want := range map[string]string{"bytes=0-1": "fo", "bytes=-3": "our", "bytes=2-99": "ur"} {
				if got, err := get(t, c, "out", "ü /%2e%2e/.", part); err != nil || got != want {
					t.Errorf("%s: got %q, %v", part, got, err)
				}
			}
			head, err := c.HeadObject(t.Context(), &api.HeadObjectInput{Bucket: aws.String("out"), Key: aws.String("a")})
			if err != nil || *head.ContentLength != 3 {
				t.Errorf("got %+v, %v", head, err)
			}
			for range 2 {
				if _, err := c.DeleteObject(t.Context(), &api.DeleteObjectInput{Bucket: aws.String("out"), Key: aws.String("a")}); err != nil {
					t.Error(err)
				}
			}
			if _, err := get(t, c, "out", "a", ""); code(err) != "NoSuchKey" {
				t.Errorf("got %v", err)
			}
			if got, err := get(t, c, "out", "a/b", ""); err != nil || got != "two" {
				t.Errorf("beside it: got %q, %v", got, err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	c := client(t, "")
	if _, err := get(t, c, "none", "a", ""); code(err) != "NoSuchBucket" {
		t.Errorf("got %v", err)
	}
	if err := put(t, c, "none", "a", "x"); code(err) != "NoSuchBucket" {
		t.Errorf("got %v", err)
	}
	if err := put(t, c, "out", strings.Repeat("k", 1025), "x"); code(err) != "KeyTooLongError" {
		t.Errorf("got %v", err)
	}
	if err := put(t, c, "out", "empty", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, c, "out", "empty", "bytes=0-9"); code(err) != "InvalidRange" {
		t.Errorf("got %v", err)
	}
	if _, err := c.ListObjectsV2(t.Context(), &api.ListObjectsV2Input{Bucket: aws.String("out")}); code(err) != "NotImplemented" {
		t.Errorf("got %v", err)
	}
}
