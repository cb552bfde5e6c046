package statuspages_test

import "pagefree/internal/platform/httpapi"

func pageOf(n int) httpapi.Page { return httpapi.Page{Limit: n} }
