#!/bin/sh
# pipelines/tour: the demo runs, and the same twice.
. "${0%/*}/lib.sh"
ok 'tour runs' tour a
ok 'and again' tour b
ok 'the same counts' trace-cmp a/coact.trace b/coact.trace
ok 'the same bytes' cmp a/layer2.csv b/layer2.csv
is 'its CSV has a line a row' 8193 sh -c 'wc -l <a/layer2.csv'
done_testing
