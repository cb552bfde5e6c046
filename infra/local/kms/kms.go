// Package kms is the Key Management Service of the local stack: HMAC, symmetric and ECDSA keys with real cryptography,
// so that a MAC that was altered, a wrong encryption context or a signature over other bytes fails here as it does there.
//
// Key material is kept in files that only their owner can read, which is good enough for a laptop and nothing else.
package kms

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/template"
)

// Specs that a key may have; SYMMETRIC_DEFAULT when the template says none.
const (
	specSymmetric = string(types.KeySpecSymmetricDefault)
	specHMAC      = string(types.KeySpecHmac256)
	specP256      = string(types.KeySpecEccNistP256)
)

// Service holds the keys of one account and region.
type Service struct {
	dir string // empty: in memory only

	mu      sync.RWMutex
	keys    map[string]*key   // by id
	aliases map[string]string // alias/name to id
}

// key is one key with its material, as it is kept in <dir>/<id>.json.
type key struct {
	ID, ARN     string
	Spec, Usage string
	Material    []byte // 32 random bytes; an EC key in SEC 1, DER
}

// New opens the keys in dir, which is made when the first key is. An empty dir keeps them in memory.
func New(dir string) (*Service, error) {
	s := &Service{dir: dir, keys: map[string]*key{}, aliases: map[string]string{}}
	if dir == "" {
		return s, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("kms: %w", err)
		}
		k := new(key)
		if err := json.Unmarshal(data, k); err != nil {
			return nil, fmt.Errorf("kms: key file %s: %w", file, err)
		}
		s.keys[k.ID] = k
	}
	return s, nil
}

// Ensure makes the key of the template unless it is there, and points its aliases at it. A key never changes its spec:
// what it signed and encrypted before could not be read any more.
func (s *Service) Ensure(t *template.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	spec, usage := cmp.Or(t.Spec, specSymmetric), cmp.Or(t.Usage, string(types.KeyUsageTypeEncryptDecrypt))
	k, ok := s.keys[t.ID]
	if ok && (k.Spec != spec || k.Usage != usage) {
		return fmt.Errorf("kms: key %s is %s for %s; it cannot become %s for %s", t.LogicalID, k.Spec, k.Usage, spec, usage)
	}
	if !ok {
		material, err := newMaterial(spec, usage)
		if err != nil {
			return fmt.Errorf("kms: key %s: %w", t.LogicalID, err)
		}
		k = &key{ID: t.ID, ARN: t.ARN, Spec: spec, Usage: usage, Material: material}
		if err := s.save(k); err != nil {
			return fmt.Errorf("kms: key %s: %w", t.LogicalID, err)
		}
		s.keys[k.ID] = k
	}
	for _, alias := range t.Aliases {
		s.aliases[alias] = k.ID
	}
	return nil
}

// save writes the key beside its place and moves it there, so that a half-written key is never read.
func (s *Service) save(k *key) error {
	if s.dir == "" {
		return nil
	}
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(s.dir, k.ID+".json")
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Resolve gives the ARN of a key by what a request may name it by: id, ARN, alias/name or the alias's ARN.
func (s *Service) Resolve(name string) (arn string, err error) {
	k, err := s.find(name)
	if err != nil {
		return "", err
	}
	return k.ARN, nil
}

func (s *Service) find(name string) (*key, error) {
	if name == "" {
		return nil, invalid("1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	id := name
	if strings.HasPrefix(name, "arn:") {
		id = name[strings.LastIndexByte(name, ':')+1:]
		id = strings.TrimPrefix(id, "key/")
	}
	if alias, ok := s.aliases[id]; ok {
		id = alias
	}
	k, ok := s.keys[id]
	switch {
	case ok && strings.HasPrefix(name, "arn:") && !strings.Contains(name, ":alias/") && name != k.ARN:
		// Another account's or region's key of the same id.
		return nil, failure("NotFoundException", fmt.Sprintf("Invalid arn %s", name))
	case ok:
		return k, nil
	case strings.Contains(name, "alias/"):
		return nil, failure("NotFoundException", fmt.Sprintf("Alias %s is not found.", name))
	}
	return nil, failure("NotFoundException", fmt.Sprintf("Key '%s' does not exist", name))
}

// use finds a key for one purpose; a key serves no other.
func (s *Service) use(name *string, usage types.KeyUsageType) (*key, error) {
	var id string
	if name != nil {
		id = *name
	}
	k, err := s.find(id)
	if err != nil {
		return nil, err
	}
	if k.Usage != string(usage) {
		return nil, failure("InvalidKeyUsageException", fmt.Sprintf("%s key usage is %s which is not valid for this operation.", k.ARN, k.Usage))
	}
	return k, nil
}

func failure(code, message string) error { return &awsjson.Error{Code: code, Message: message} }

func invalid(message string) error { return failure("ValidationException", message) }

// sized checks the length of a blob, which AWS's own validation does before it looks at the key.
func sized(member string, b []byte, most int) error {
	switch {
	case len(b) == 0:
		return invalid(fmt.Sprintf("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1", member))
	case len(b) > most:
		return invalid(fmt.Sprintf("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member, most))
	}
	return nil
}

var errSpec = errors.New("the local stack makes HMAC_256 for GENERATE_VERIFY_MAC, ECC_NIST_P256 for SIGN_VERIFY and SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT only")
