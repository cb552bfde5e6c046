package ssm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/infra/local/ssm"
)

func TestDocuments(t *testing.T) {
	c, _ := open(t, ssm.Options{})
	one, two := document("echo 1", "60"), document("echo 2", "60")
	create(t, c, "doc", one)
	make2 := func(content, version, from string) error {
		_, err := c.UpdateDocument(t.Context(), &api.UpdateDocumentInput{Name: aws.String("doc"), Content: &content, VersionName: &version, DocumentVersion: &from})
		return err
	}
	_, err := c.CreateDocument(t.Context(), &api.CreateDocumentInput{Name: aws.String("doc"), Content: &one, DocumentType: types.DocumentTypeCommand})
	wanted(t, err, "DocumentAlreadyExists")
	wanted(t, make2(two, "v1", "$LATEST"), "DuplicateDocumentVersionName")
	wanted(t, make2(one, "v2", "$LATEST"), "DuplicateDocumentContent")
	wanted(t, make2(two, "v2", "7"), "InvalidDocumentVersion")
	wanted(t, make2("{", "v2", "$LATEST"), "InvalidDocumentContent")
	wanted(t, make2(strings.Repeat("x", 64<<10+1), "v2", "$LATEST"), "MaxDocumentSizeExceeded")
	wanted(t, make2(strings.Replace(two, `"Env"`, `"MY_ENV"`, 1), "v2", "$LATEST"), "InvalidDocumentContent")
	if err := make2(two, "v2", "$LATEST"); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		in   api.DescribeDocumentInput
		want string
	}{
		"the default":  {api.DescribeDocumentInput{}, one},
		"by number":    {api.DescribeDocumentInput{DocumentVersion: aws.String("2")}, two},
		"the latest":   {api.DescribeDocumentInput{DocumentVersion: aws.String("$LATEST")}, two},
		"by its name":  {api.DescribeDocumentInput{VersionName: aws.String("v2")}, two},
		"$DEFAULT too": {api.DescribeDocumentInput{DocumentVersion: aws.String("$DEFAULT")}, one},
	} {
		tt.in.Name = aws.String("doc")
		out, err := c.DescribeDocument(t.Context(), &tt.in)
		sum := sha256.Sum256([]byte(tt.want))
		if err != nil || *out.Document.Hash != hex.EncodeToString(sum[:]) || out.Document.HashType != types.DocumentHashTypeSha256 {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
		text, err := c.GetDocument(t.Context(), &api.GetDocumentInput{Name: tt.in.Name, DocumentVersion: tt.in.DocumentVersion, VersionName: tt.in.VersionName})
		if err != nil || *text.Content != tt.want {
			t.Errorf("%s: got %+v, %v", name, text, err)
		}
	}
	_, err = c.DescribeDocument(t.Context(), &api.DescribeDocumentInput{Name: aws.String("doc"), VersionName: aws.String("v3")})
	wanted(t, err, "InvalidDocumentVersion")
	_, err = c.DescribeDocument(t.Context(), &api.DescribeDocumentInput{Name: aws.String("none")})
	wanted(t, err, "InvalidDocument")
	if _, err := c.UpdateDocumentDefaultVersion(t.Context(), &api.UpdateDocumentDefaultVersionInput{Name: aws.String("doc"), DocumentVersion: aws.String("2")}); err != nil {
		t.Fatal(err)
	}
	if out, err := c.DescribeDocument(t.Context(), &api.DescribeDocumentInput{Name: aws.String("doc")}); err != nil || *out.Document.DocumentVersion != "2" {
		t.Errorf("got %+v, %v", out, err)
	}
	_, err = c.DeleteDocument(t.Context(), &api.DeleteDocumentInput{Name: aws.String("doc")})
	wanted(t, err, "UnknownOperationException")
}
