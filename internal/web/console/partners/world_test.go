package partners_test

import "pagefree/internal/platform/httpapi"

var few = httpapi.Page{Limit: 10}
