package ssm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Limits of documents. Source: Systems Manager quotas.
const (
	maxContent   = 64 << 10 // bytes, with the parameters of a command
	maxVersions  = 1000
	maxDocuments = 500
)

// document is a Command document with all its versions, as it is kept in <dir>/documents/<name>.json.
type document struct {
	Name     string
	Default  int
	Versions []docVersion // number i+1 each
}

type docVersion struct {
	Number  int
	Name    string // VersionName; empty for none
	Content string
	Created time.Time
}

// hash is what the service says of a version, and what SendCommand compares: SHA-256 of the content as it was given.
func (v docVersion) hash() string {
	sum := sha256.Sum256([]byte(v.Content))
	return hex.EncodeToString(sum[:])
}

func (d *document) latest() docVersion { return d.Versions[len(d.Versions)-1] }

var (
	documentName = regexp.MustCompile(`^[a-zA-Z0-9_\-.]{3,128}$`)
	reservedName = regexp.MustCompile(`(?i)^(aws-|aws_|amazon|amzn)`)
	versionName  = regexp.MustCompile(`^[a-zA-Z0-9_\-.]{1,128}$`)
)

// CreateDocument makes a document and its version 1, which is the default.
func (s *Service) CreateDocument(_ context.Context, in *api.CreateDocumentInput) (*api.CreateDocumentOutput, error) {
	name := aws.ToString(in.Name)
	switch {
	case !documentName.MatchString(name):
		return nil, invalid("name", "Member must satisfy regular expression pattern: "+documentName.String())
	case reservedName.MatchString(name):
		return nil, failure("ValidationException", "The name %s starts with a reserved prefix.", name)
	case in.DocumentType != types.DocumentTypeCommand:
		return nil, failure("ValidationException", "the local stack holds documents of type Command only")
	case in.Attachments != nil || in.Requires != nil || in.Tags != nil || in.TargetType != nil || in.DisplayName != nil:
		return nil, failure("ValidationException", "the local stack holds no attachments, requirements, tags, target types and display names of documents")
	}
	if err := acceptable(in.Content, in.DocumentFormat, in.VersionName); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.documents[name] != nil {
		return nil, failure("DocumentAlreadyExists", "Document with same name %s already exists", name)
	}
	if len(s.documents) >= maxDocuments {
		return nil, failure("DocumentLimitExceeded", "You can have at most %d active documents.", maxDocuments)
	}
	d := &document{Name: name, Default: 1, Versions: []docVersion{{Number: 1, Name: aws.ToString(in.VersionName), Content: *in.Content, Created: time.Now()}}}
	if err := s.keepDocument(d); err != nil {
		return nil, err
	}
	s.documents[name] = d
	return &api.CreateDocumentOutput{DocumentDescription: d.describe(d.Versions[0])}, nil
}

func acceptable(content *string, format types.DocumentFormat, version *string) error {
	switch {
	case aws.ToString(content) == "":
		return invalid("content", "Member must have length greater than or equal to 1")
	case len(*content) > maxContent:
		return failure("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB.")
	case version != nil && !versionName.MatchString(*version):
		return invalid("versionName", "Member must satisfy regular expression pattern: "+versionName.String())
	case format != "" && format != types.DocumentFormatJson:
		return failure("ValidationException", "the local stack holds documents in JSON only")
	}
	_, err := parse(*content)
	return err
}

// UpdateDocument adds a version. The default one stays what it was.
func (s *Service) UpdateDocument(_ context.Context, in *api.UpdateDocumentInput) (*api.UpdateDocumentOutput, error) {
	if in.Attachments != nil || in.TargetType != nil || in.DisplayName != nil {
		return nil, failure("ValidationException", "the local stack holds no attachments, target types and display names of documents")
	}
	if err := acceptable(in.Content, in.DocumentFormat, in.VersionName); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.documents[aws.ToString(in.Name)]
	if d == nil {
		return nil, failure("InvalidDocument", "Document with name %s does not exist.", aws.ToString(in.Name))
	}
	if v := aws.ToString(in.DocumentVersion); v != "" && v != "$LATEST" && v != strconv.Itoa(d.latest().Number) {
		return nil, failure("InvalidDocumentVersion", "The document version is not valid or does not exist: only the latest can be updated.")
	}
	for _, v := range d.Versions {
		if in.VersionName != nil && v.Name == *in.VersionName {
			return nil, failure("DuplicateDocumentVersionName", "The version name has already been used in this document. Specify a different version name, and then try again.")
		}
		if v.Content == *in.Content {
			return nil, failure("DuplicateDocumentContent", "The content of the association document matches another document. Change the content of the document and try again.")
		}
	}
	if len(d.Versions) >= maxVersions {
		return nil, failure("DocumentVersionLimitExceeded", "The document has too many versions. Delete one or more document versions and try again.")
	}
	next := *d
	v := docVersion{Number: d.latest().Number + 1, Name: aws.ToString(in.VersionName), Content: *in.Content, Created: time.Now()}
	next.Versions = append(next.Versions[:len(next.Versions):len(next.Versions)], v)
	if err := s.keepDocument(&next); err != nil {
		return nil, err
	}
	s.documents[d.Name] = &next
	return &api.UpdateDocumentOutput{DocumentDescription: next.describe(v)}, nil
}

// UpdateDocumentDefaultVersion says which version a command runs that names none.
func (s *Service) UpdateDocumentDefaultVersion(_ context.Context, in *api.UpdateDocumentDefaultVersionInput) (*api.UpdateDocumentDefaultVersionOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, v, err := s.version(in.Name, in.DocumentVersion, nil)
	if err != nil {
		return nil, err
	}
	next := *d
	next.Default = v.Number
	if err := s.keepDocument(&next); err != nil {
		return nil, err
	}
	s.documents[d.Name] = &next
	return &api.UpdateDocumentDefaultVersionOutput{Description: &types.DocumentDefaultVersionDescription{
		Name: &next.Name, DefaultVersion: aws.String(strconv.Itoa(v.Number)),
	}}, nil
}

// DescribeDocument tells of one version, the default unless it is named by number or by name.
func (s *Service) DescribeDocument(_ context.Context, in *api.DescribeDocumentInput) (*api.DescribeDocumentOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, v, err := s.version(in.Name, in.DocumentVersion, in.VersionName)
	if err != nil {
		return nil, err
	}
	return &api.DescribeDocumentOutput{Document: d.describe(v)}, nil
}

// GetDocument gives the content of one version as it was given.
func (s *Service) GetDocument(_ context.Context, in *api.GetDocumentInput) (*api.GetDocumentOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, v, err := s.version(in.Name, in.DocumentVersion, in.VersionName)
	if err != nil {
		return nil, err
	}
	about := d.describe(v)
	return &api.GetDocumentOutput{
		Name: &d.Name, Content: &v.Content, DocumentVersion: about.DocumentVersion, VersionName: about.VersionName, CreatedDate: &v.Created,
		DocumentFormat: types.DocumentFormatJson, DocumentType: types.DocumentTypeCommand, Status: types.DocumentStatusActive,
	}, nil
}

// version finds one by name and number, name and version name, or the default. The caller holds mu.
func (s *Service) version(name, number, versionName *string) (*document, docVersion, error) {
	d := s.documents[aws.ToString(name)]
	if d == nil {
		return nil, docVersion{}, failure("InvalidDocument", "Document with name %s does not exist.", aws.ToString(name))
	}
	wanted := aws.ToString(number)
	for _, v := range d.Versions {
		is := strconv.Itoa(v.Number)
		switch {
		case versionName != nil && v.Name != *versionName:
		case wanted == is, wanted == "$LATEST" && v.Number == d.latest().Number,
			(wanted == "" && versionName == nil || wanted == "$DEFAULT") && v.Number == d.Default,
			wanted == "" && versionName != nil:
			return d, v, nil
		}
	}
	return nil, docVersion{}, failure("InvalidDocumentVersion", "The document version is not valid or does not exist.")
}

func (d *document) describe(v docVersion) *types.DocumentDescription {
	about := &types.DocumentDescription{
		Name: &d.Name, Hash: aws.String(v.hash()), HashType: types.DocumentHashTypeSha256, DocumentVersion: aws.String(strconv.Itoa(v.Number)),
		DefaultVersion: aws.String(strconv.Itoa(d.Default)), LatestVersion: aws.String(strconv.Itoa(d.latest().Number)), CreatedDate: &v.Created,
		DocumentFormat: types.DocumentFormatJson, DocumentType: types.DocumentTypeCommand, SchemaVersion: aws.String("2.2"),
		Status: types.DocumentStatusActive, PlatformTypes: []types.PlatformType{types.PlatformTypeLinux, types.PlatformTypeMacos},
	}
	if v.Name != "" {
		about.VersionName = &v.Name
	}
	return about
}
