#!/bin/sh
# examples/tiny-*: what they compute, and that domains have experts of their own.
. "${0%/*}/lib.sh"
EX=$TOP/examples
py=$(for p in python3 /usr/bin/python3; do "$p" -c 'import numpy' 2>/dev/null && echo "$p" && break; done)

is 'at most 3 MB' 1 sh -c "cat $EX/tiny-switch/* $EX/tiny-qwen/* | wc -c | awk '{ print \$1 <= 3e6 }'"

# ids of the 108 sentences, a batch each, of three data sets
awk -F'\t' 'BEGIN { print "{\"kind\":\"trace\",\"v\":1,\"layers\":0,\"experts\":0,\"topk\":0}" }
{ n = split($2, id, " "); t = s = p = h = ""; b = NR - 1
  for (i = 1; i <= n; i++) { c = i > 1 ? "," : ""; t = t c id[i]; s = s c b; p = p c i - 1; h = h c 0 }
  printf "{\"kind\":\"seq\",\"batch\":%d,\"seq\":%d,\"dataset\":\"%s\"}\n", b, b, $1
  printf "{\"kind\":\"tok\",\"batch\":%d,\"rows\":%d,\"cols\":\"tok:u32,seq:u32,pos:u32,phase:u8\",\"tok\":[%s],\"seq\":[%s],\"pos\":[%s],\"phase\":[%s]}\n", b, n, t, s, p, h }
END { printf "{\"kind\":\"end\",\"frames\":%d}\n", 2 * NR }' "$GOLD/tiny-switch.ids" | jsonl2trace >ids.trace
ok 'tiny-switch runs' sh -c "router-capture '$EX/tiny-switch' <ids.trace >t.trace"
is 'four routers, each sentence' '108 1 108 3 108 5 108 7' sh -c '
	trace-heads t.trace | sed -n "s/^@route.* layer=\([0-9]*\).*/\1/p" | sort | uniq -c | xargs'
trace-filter -b 0 t.trace | trace2jsonl | sed -n 's/.*"logit":\(.*\]\]\).*/\1/p' | tr -d '[]' | tr , '\n' >got
is 'logits within 1e-4 of torch' 'near' sh -c "paste got '$GOLD/tiny-switch.logits' |
	awk '{ d = \$1 - \$2; if (NF != 2 || d > 1e-4 || d < -1e-4) bad = 1 } END { print NR && !bad ? \"near\" : \"far\" }'"
expert-stats --table information -t t.trace >mi
expert-stats -t t.trace >load
ok 'expert and domain tell of each other: in each layer, in three by a tenth of a bit' awk '
	NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "mi_corrected_bits") at = i - 1; if ($i == "mi_bias_bits") b = i - 1 }; next }
	!at || $at < 3 * $b { exit 1 } $at > .1 { n++ } END { exit NR != 5 || n < 3 }' mi
ok 'no expert has all, none has nothing' awk '
	NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "max_usage") m = i - 1; if ($i == "total_usage") t = i - 1; if ($i == "zero_usage_experts") z = i - 1 }; next }
	$m > .6 * $t || $z { exit 1 } END { exit NR != 5 }' load

if [ -n "$py" ]; then
	gold tiny-qwen.text '"$py" "$TOP/t/unit/qwen.py" "$EX/tiny-qwen" <"$GOLD/tiny-qwen.ids"'
else
	skip_one 'no numpy'
fi
echo one | tok-encode -m "$EX/tiny-switch" --lines >t.trace
fails 2 'tokens of another tokenizer are refused' "router-capture '$EX/tiny-qwen' <t.trace" 'tiny-qwen/tokenizer.json: the tokens were made by another'
mkdir bare && cp "$EX"/tiny-qwen/config.json "$EX"/tiny-qwen/model.safetensors bare
is 'or told, where the model has none' 'router-capture: tokens of another tokenizer, or one of another name than bare' \
	router-capture -o qwen.trace bare <t.trace
is 'its own are not' '' router-capture -o switch.trace "$EX/tiny-switch" <t.trace
done_testing
