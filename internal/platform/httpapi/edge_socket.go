package httpapi

import "github.com/aws/aws-lambda-go/events"

// Vouches tells whether headers came by the distribution, and for whom: "" where
// that is not known. It is for events of another kind than those of Lambda: the
// opening of a socket.
func (e Edge) Vouches(headers map[string][]string) (passed bool, viewer string) {
	return e.receive(&events.APIGatewayProxyRequest{MultiValueHeaders: headers})
}
