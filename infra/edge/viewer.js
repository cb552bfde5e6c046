// What the distribution's function does with each request, before it goes on. The origin believes the headers
// x-pagefree-*, since only the distribution knows the secret that comes with them: so whatever a viewer sends under such
// a name, or as a word on who forwarded the request, goes, and the viewer's address is CloudFront's own word.
//
// template.yaml holds this text again (ViewerFunction), since CloudFormation takes no file: a test holds both equal.

// Part of the API, for everybody to send: the secret of a hook, and how deep a chain of webhooks is.
var SENT = { 'x-pagefree-secret': true, 'x-pagefree-depth': true };

function handler(event) {
  var request = event.request;
  Object.keys(request.headers).forEach(function (name) {
    var lower = name.toLowerCase();
    var ours = lower.indexOf('x-pagefree-') === 0 && !SENT[lower];
    if (ours || lower.indexOf('x-forwarded-') === 0 || lower === 'forwarded') {
      delete request.headers[name];
    }
  });
  request.headers['x-pagefree-viewer'] = { value: event.viewer.ip };
  return request;
}
