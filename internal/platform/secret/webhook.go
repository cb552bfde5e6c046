package secret

import "context"

// webhookPurpose keeps the addresses of teams' webhooks, and what signs for
// them, apart from the secrets of runbooks: who notifies decrypts no secret of
// a runbook, and who dispatches no address of a team.
const webhookPurpose = "webhook"

// Webhooks hides and reveals what belongs to the webhooks that teams are told by.
type Webhooks struct{ Key *Key }

// Hide encrypts a text for the subject that it belongs to; see Key.Hide.
func (w Webhooks) Hide(ctx context.Context, subject string, text []byte) ([]byte, error) {
	return w.Key.hide(ctx, webhookPurpose, subject, text)
}

// Reveal is the text that Hide hid for the subject; see Key.Reveal.
func (w Webhooks) Reveal(ctx context.Context, subject string, hidden []byte) ([]byte, error) {
	return w.Key.reveal(ctx, webhookPurpose, subject, hidden)
}
