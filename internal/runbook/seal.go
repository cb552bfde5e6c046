package runbook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// Seal is the proof that a version is the one that was approved: a MAC by KMS
// over its content hash, and the number of the encoding that was hashed.
type Seal struct {
	Format int    `dynamodbav:"format"`
	MAC    []byte `dynamodbav:"mac"`
}

// sealFormat is the encoding of new seals. An encoding is never changed, only
// followed by another: versions that were sealed by it have to run.
const sealFormat = 1

// Labels keep a MAC over one kind of thing from being taken for another's.
const (
	contentLabel = "pagefree/seal/v1/"
	pointerLabel = "pagefree/pointer/v1/"
)

// ErrSealBroken is a version, or the pointer to it, that is not what was
// approved. It must not run.
var ErrSealBroken = errors.New("the seal is broken")

// Maker makes MACs. The reviewing function has the right to nothing else.
type Maker interface {
	MAC(ctx context.Context, message []byte) ([]byte, error)
}

// Verifier checks MACs. The dispatcher has the right to nothing else.
type Verifier interface {
	Verify(ctx context.Context, message, mac []byte) (bool, error)
}

// CheckSeal reports whether ver is what was approved of r and what its pointer
// names: nil, an error that is ErrSealBroken, or why it could not be found out.
// r and ver are what Store.Runnable read.
func CheckSeal(ctx context.Context, v Verifier, r Runbook, ver Version) error {
	if r.Approved == 0 || ver.RunbookID != r.ID || ver.Version != r.Approved || ver.Status != Approved {
		return fmt.Errorf("%w: %s points at version %d, not at %s@%d (%s)", ErrSealBroken, r.ID, r.Approved, ver.RunbookID, ver.Version, ver.Status)
	}
	if r.Sequence != r.Latest {
		return fmt.Errorf("%w: the pointer of %s is number %d of %d", ErrSealBroken, r.ID, r.Sequence, r.Latest)
	}
	pointer, err := pointerMessage(r)
	if err != nil {
		return err
	}
	hash, err := contentHash(ver.Seal.Format, r.Team(), ver)
	if err != nil {
		return err
	}
	if ver.ContentHash == nil || *ver.ContentHash != hash {
		return fmt.Errorf("%w: the content of %s@%d has another hash", ErrSealBroken, r.ID, ver.Version)
	}
	var content error // side by side: neither call of KMS hangs on the other
	var wg sync.WaitGroup
	wg.Go(func() { content = verify(ctx, v, []byte(contentLabel+hash), ver.Seal.MAC, "the content of "+r.ID) })
	err = verify(ctx, v, pointer, r.PointerMAC, "the pointer of "+r.ID)
	wg.Wait()
	if err == nil || errors.Is(content, ErrSealBroken) { // what is known to be broken outweighs what could not be found out
		return content
	}
	return err
}

// verify checks one MAC. KMS answers to one of another length with an error,
// which would pass for a failure of KMS.
func verify(ctx context.Context, v Verifier, message, mac []byte, what string) error {
	if len(mac) != sha256.Size {
		return fmt.Errorf("%w: %s has no MAC", ErrSealBroken, what)
	}
	ok, err := v.Verify(ctx, message, mac)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: %s is not ours", ErrSealBroken, what)
	}
	return nil
}

// seal hashes and seals a version that its reviewer approved.
func seal(ctx context.Context, m Maker, teamID string, ver Version) (Version, error) {
	hash, err := contentHash(sealFormat, teamID, ver)
	if err != nil {
		return Version{}, err
	}
	mac, err := m.MAC(ctx, []byte(contentLabel+hash))
	if err != nil {
		return Version{}, fmt.Errorf("seal %s@%d: %w", ver.RunbookID, ver.Version, err)
	}
	ver.ContentHash, ver.Seal = &hash, Seal{Format: sealFormat, MAC: mac}
	return ver, nil
}

// point seals the pointer of a head whose pointer was changed: its next number.
func point(ctx context.Context, m Maker, r Runbook) (Runbook, error) {
	r.Sequence = max(r.Sequence, r.Latest) + 1
	r.Latest = r.Sequence
	message, err := pointerMessage(r)
	if err != nil {
		return Runbook{}, err
	}
	if r.PointerMAC, err = m.MAC(ctx, message); err != nil {
		return Runbook{}, fmt.Errorf("seal the pointer of %s: %w", r.ID, err)
	}
	return r, nil
}

// pointerStatus is the part of a runbook's status that decides whether it runs.
func pointerStatus(r Runbook) Status {
	switch {
	case r.Archived:
		return Archived
	case r.Deprecated:
		return Deprecated
	}
	return Approved
}

type sealedPointer struct {
	RunbookID string `json:"runbookId"`
	Version   int    `json:"version"`
	Status    Status `json:"status"`
	Sequence  int64  `json:"sequence"`
}

func pointerMessage(r Runbook) ([]byte, error) {
	encoded, err := canonical(sealedPointer{r.ID, r.Approved, pointerStatus(r), r.Sequence})
	if err != nil {
		return nil, err
	}
	return append([]byte(pointerLabel), encoded...), nil
}

// contentHash is the hex SHA-256 over everything that decides what runs and when.
func contentHash(format int, teamID string, ver Version) (string, error) {
	var encoded []byte
	var err error
	switch format {
	case 1:
		encoded, err = encodeV1(teamID, ver)
	default:
		return "", fmt.Errorf("%w: %s@%d has the unknown format %d", ErrSealBroken, ver.RunbookID, ver.Version, format)
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:]), nil
}

// sealedV1 is format 1: JSON with every member present, in this order. It has
// types of its own all the way down, so that a change of Version cannot change it.
type sealedV1 struct {
	Format          int                 `json:"format"`
	RunbookID       string              `json:"runbookId"`
	Version         int                 `json:"version"`
	TeamID          string              `json:"teamId"`
	Language        string              `json:"language"`
	ScriptContent   string              `json:"scriptContent"`
	Parameters      []sealedParameterV1 `json:"parameters"`
	Target          sealedTargetV1      `json:"target"`
	TimeoutSeconds  int                 `json:"timeoutSeconds"`
	MaxRetries      int                 `json:"maxRetries"`
	Idempotent      bool                `json:"idempotent"`
	Concurrency     int                 `json:"concurrency"`
	MaxRunsPerHour  *int                `json:"maxRunsPerHour"`
	ServiceID       *string             `json:"serviceId"`
	RequiresConfirm bool                `json:"requiresConfirm"`
	Risk            string              `json:"risk"`
	Document        *sealedDocumentV1   `json:"document"`
	ApprovedByID    string              `json:"approvedById"`
}

type sealedParameterV1 struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	Default     any    `json:"default"`
	Enum        []any  `json:"enum"`
	Pattern     string `json:"pattern"`
	MaxLength   *int   `json:"maxLength"`
	Secret      bool   `json:"secret"`
	Template    string `json:"template"`
}

type sealedTargetV1 struct {
	Type           string              `json:"type"`
	InstanceIDs    []string            `json:"instanceIds"`
	Tags           map[string][]string `json:"tags"`
	MaxNodes       int                 `json:"maxNodes"`
	MaxConcurrency string              `json:"maxConcurrency"`
	MaxErrors      string              `json:"maxErrors"`
	URL            string              `json:"url"`
	Preset         string              `json:"preset"`
	Async          bool                `json:"async"`
	Headers        map[string]string   `json:"headers"`
	SignWith       string              `json:"signWith"`
	TargetID       string              `json:"targetId"`
}

type sealedDocumentV1 struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Hash    string `json:"hash"`
}

func encodeV1(teamID string, ver Version) ([]byte, error) {
	s := sealedV1{
		Format: 1, RunbookID: ver.RunbookID, Version: ver.Version, TeamID: teamID, Language: ver.Language,
		ScriptContent: ver.ScriptContent, Parameters: []sealedParameterV1{}, Target: sealedTarget(ver.Target),
		TimeoutSeconds: ver.TimeoutSeconds, MaxRetries: ver.MaxRetries, Idempotent: ver.Idempotent,
		Concurrency: ver.Concurrency, MaxRunsPerHour: ver.MaxRunsPerHour, ServiceID: ver.ServiceID,
		RequiresConfirm: ver.RequiresConfirm, Risk: ver.Risk, Document: (*sealedDocumentV1)(ver.Document),
	}
	for _, p := range ver.Parameters {
		if len(p.Enum) == 0 { // stores differ in what they make of an empty list
			p.Enum = nil
		}
		s.Parameters = append(s.Parameters, sealedParameterV1(p))
	}
	if ver.ReviewedByID != nil {
		s.ApprovedByID = *ver.ReviewedByID
	}
	return canonical(s)
}

// canonical is JSON as encoding/json writes it: members in the order of the
// struct, keys of maps sorted. That two different values never encode alike is
// proven each time, by reading the value back: text that is no UTF-8, for one,
// is replaced in JSON, and refused here.
func canonical[T any](v T) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSealBroken, err)
	}
	var back T
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || !reflect.DeepEqual(v, back) {
		return nil, fmt.Errorf("%w: it holds values that JSON does not", ErrSealBroken)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
