package ssm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/internal/platform/problem"
	"pagefree/internal/runbook"
)

// Publisher makes the documents that approved versions run as: one document
// for each runbook, and in it one version for each version that was approved.
// They are never deleted: an older one may be rolled back to.
type Publisher struct {
	SSM    *ssm.Client
	Prefix string // of documents' names; IAM lets the dispatcher send no others
}

var _ runbook.Documents = Publisher{}

// MaxDocument is what a document may take together with the largest values of
// its parameters, in bytes. SSM's own limit is 64 KB.
const MaxDocument = 60 << 10

// Fits refuses a version whose document would be too large with a 422.
func (p Publisher) Fits(v runbook.Version) error {
	v.RunbookID, v.Version = "rb_00000000000000000000000000", 999_999 // not known yet, and never longer
	body, err := content(v)
	if err != nil {
		return err
	}
	values := 0
	for _, d := range v.Parameters {
		values += len(d.Name) + len(given) + largest(d)
	}
	switch {
	case len(body) > MaxDocument:
		return problem.Invalid(problem.Field{Location: "body.scriptContent", Message: fmt.Sprintf(
			"an SSM document holds it packed by gzip in %d bytes, and may have %d: shorten it", len(body), MaxDocument)})
	case len(body)+values > MaxDocument:
		return problem.Invalid(problem.Field{Location: "body.parameters", Message: fmt.Sprintf(
			"an SSM document may have %d bytes with the largest values of its parameters, and they take up to %d beside %d: give strings a maxLength", MaxDocument, values, len(body))})
	}
	return nil
}

// largest is how many bytes a value may take.
func largest(p runbook.Parameter) int {
	switch {
	case len(p.Enum) > 0:
		n := 0
		for _, e := range p.Enum {
			n = max(n, len(runbook.EnvValue(e)))
		}
		return n
	case p.Type == runbook.Boolean:
		return len("false")
	case p.Type == runbook.Integer:
		return len("-9007199254740991")
	case p.Type == runbook.Number:
		return 120 // 1e-100 with all its digits
	case p.MaxLength != nil:
		return min(*p.MaxLength*4, runbook.MaxValue)
	}
	return runbook.MaxValue
}

// Publish makes the document's version of v, or finds the one that an earlier
// try made: its name is v<n>, and a name is used once in a document. What SSM
// says of its hash has to be what was meant.
func (p Publisher) Publish(ctx context.Context, r runbook.Runbook, v runbook.Version) (runbook.Document, error) {
	body, err := content(v)
	if err != nil {
		return runbook.Document{}, err
	}
	name, label, text := p.Prefix+r.ID, fmt.Sprintf("v%d", v.Version), string(body)
	sum := sha256.Sum256(body)
	want := hex.EncodeToString(sum[:])
	for range publishTries {
		d, err := p.SSM.DescribeDocument(ctx, &ssm.DescribeDocumentInput{Name: &name, VersionName: &label})
		switch {
		case is[*types.InvalidDocument](err):
			_, err = p.SSM.CreateDocument(ctx, &ssm.CreateDocumentInput{
				Name: &name, Content: &text, VersionName: &label, DocumentType: types.DocumentTypeCommand, DocumentFormat: types.DocumentFormatJson,
			})
		case is[*types.InvalidDocumentVersion](err):
			_, err = p.SSM.UpdateDocument(ctx, &ssm.UpdateDocumentInput{
				Name: &name, Content: &text, VersionName: &label, DocumentVersion: aws.String("$LATEST"), DocumentFormat: types.DocumentFormatJson,
			})
		case err == nil && aws.ToString(d.Document.Hash) != want:
			return runbook.Document{}, problem.New(http.StatusConflict, DocumentDiffers,
				"The SSM document %s has a version %s with another content. Find out who made it; the next version of the runbook can be approved.", name, label)
		case err == nil && d.Document.Status == types.DocumentStatusActive:
			return runbook.Document{Name: name, Version: aws.ToString(d.Document.DocumentVersion), Hash: want}, nil
		case err == nil && d.Document.Status == types.DocumentStatusFailed:
			err = fmt.Errorf("SSM could not take it: %s", aws.ToString(d.Document.StatusInformation))
		}
		// Another approval, or an earlier try whose answer was lost, was faster: look again.
		if err != nil && !is[*types.DocumentAlreadyExists](err) && !is[*types.DuplicateDocumentVersionName](err) && !is[*types.DuplicateDocumentContent](err) {
			return runbook.Document{}, unavailable(name, err)
		}
		select {
		case <-ctx.Done():
			return runbook.Document{}, unavailable(name, ctx.Err())
		case <-time.After(publishPause):
		}
	}
	return runbook.Document{}, unavailable(name, errors.New("it did not become active in time"))
}

// DocumentDiffers is the code of a document that is not what it should be.
const DocumentDiffers problem.Code = "document_differs"

// A document takes a moment to become active.
const (
	publishTries = 25
	publishPause = 200 * time.Millisecond
)

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func unavailable(name string, cause error) error {
	e := problem.New(http.StatusServiceUnavailable, problem.Unavailable, "The SSM document could not be published now. Try again.")
	e.Cause = fmt.Errorf("publish %s: %w", name, cause)
	return e
}
