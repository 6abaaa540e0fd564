// Package screenshots opens reports in a headless Chromium, and takes the
// pictures of the documents. It is a module of its own, for what drives a
// browser is of no use to who uses otelaudit.
//
//	go test -C docs/screenshots            # checks the pages
//	go test -C docs/screenshots -update    # and takes the pictures in docs/images again
package screenshots
