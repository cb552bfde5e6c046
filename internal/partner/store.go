package partner

import (
	"pagefree/internal/platform/dynamo"
)

// Store keeps partners in the status table. Sessions lie in the ephemeral one,
// which this room only reads.
type Store struct {
	Table     dynamo.Table
	Ephemeral dynamo.Table // only where sessions are listed
}

// All keys of the room.
func accountKey(partnerID string) dynamo.Key {
	return dynamo.Key{PK: "prt#" + partnerID, SK: "partner"}
}
func accessKey(pageID, accessID string) dynamo.Key {
	return dynamo.Key{PK: "grants#" + pageID, SK: accessID}
}
func personKey(accessID, personID string) dynamo.Key {
	return dynamo.Key{PK: "people#" + accessID, SK: personID}
}
func lookKey(accessID, lookID string) dynamo.Key {
	return dynamo.Key{PK: "looks#" + accessID, SK: lookID}
}

// addressKey is the account of an address in a team: there is one.
func addressKey(teamID, email string) dynamo.Key {
	return dynamo.Key{PK: "prtmail#" + teamID, SK: email}
}

// nameKey keeps a live partner's name to one access of a page.
func nameKey(pageID, lowered string) dynamo.Key {
	return dynamo.Key{PK: "prtname#" + pageID, SK: lowered}
}

// viewerKey is one place of a person that has an address: sign-in finds all of
// them by it. The access decides whether it still holds.
func viewerKey(email, accessID string) dynamo.Key {
	return dynamo.Key{PK: "viewer#" + email, SK: accessID}
}

// viewerItem is what stands under viewerKey.
type viewerItem struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	PageID    string `dynamodbav:"pageId"`
	AccessID  string `dynamodbav:"accessId"`
	PartnerID string `dynamodbav:"partnerId"`
	PersonID  string `dynamodbav:"personId"`
}
