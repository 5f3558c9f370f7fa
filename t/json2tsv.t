#!/bin/sh
# json2tsv: a line a value, the keys that lead to it.
. "${0%/*}/lib.sh"
cat >s.jsonc <<'E'
{ // settings
  "model": "m", "n": [1, 2.5e-3, {"a\tb": null}], "on": true, "none": {}, "few": [],
  "text": "x\ny\\z \u00e9", /* the end */
}
E
sed 's/,$/,/; s/, \/\* the end/ \/* the end/' s.jsonc >t.jsonc
printf 'model\tm\nn.0\t1\nn.1\t2.5e-3\nn.2.a\\tb\tnull\non\ttrue\nnone\t{}\nfew\t[]\ntext\tx\\ny\\\\z é\n' >want
same 'every value' 'json2tsv t.jsonc' 'cat want'
same 'from a pipe, checked' 'json2tsv --keys model,n,on,none,few,text <t.jsonc' 'cat want'
is 'a value alone' 5 sh -c 'echo 5 | json2tsv'
is 'nothing' '[]' sh -c 'echo [ ] | json2tsv'
fails 2 'another key' 'json2tsv --keys model,n,on,none,few t.jsonc' 't.jsonc:3:3: no key text'
fails 2 'a part of a name is none' 'echo "{\"mod\": 1}" | json2tsv --keys model' '1:2: no key mod'
fails 2 'no JSON' 'echo "{\"a\": }" | json2tsv' ':1:7: '
fails 2 'a NUL' 'echo "[\"\\u0000\"]" | json2tsv' 'cannot be a line'
fails 2 'no object' 'echo "[]" | json2tsv --keys a' 'no object'
fails 2 'no file' 'json2tsv absent' 'absent'
fails 2 'a full disk' 'json2tsv t.jsonc >/dev/full' 'No space'
done_testing
