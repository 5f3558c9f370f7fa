#!/bin/sh
# router-analysis: the six stages on three logs of two layers, and what is done again.
. "${0%/*}/lib.sh"
PATH=${0%/*}/../pipelines:$PATH
LOG=$DATA/olmoe-kde/semi-real/log.json
[ -e "$LOG" ] || skip 'no data'
command -v gnuplot >/dev/null || skip 'no gnuplot'
py=$(command -v python3 || command -v /usr/bin/python3) || skip 'no python3'
mkdir -p 'a b/logs'
for d in lambada hellaswag wikitext; do
	$py - "$LOG" "a b/logs/m_${d}_internal_routing.json" $d <<'PY'
import json, sys
log = json.load(open(sys.argv[1]))
log["dataset"] = sys.argv[3]
n = len(log["samples"])
keep = {"lambada": range(n), "hellaswag": range(0, n, 2), "wikitext": range(1, n, 2)}[sys.argv[3]]
log["samples"] = [log["samples"][i] for i in keep]
for s in log["samples"]:
    s["layers"].append(dict(s["layers"][0], layer=7))
json.dump(log, open(sys.argv[2], "w"), indent=2)
PY
done
mkdir m && cp -r 'a b/logs' m
echo '{"model_name": "m"}' >d.jsonc
ok 'output_dir is model_name where it is not told' router-analysis --quick --stage 1,2 d.jsonc
is 'and nothing is elsewhere' 'kde_models logs tables' sh -c 'ls m | xargs'
echo '{"model_name": "m", /* the rest as usual */ "output_dir": "a b"}' >s.jsonc
ok 'all stages' router-analysis -j 2 s.jsonc
for d in lambada hellaswag wikitext; do echo "$d"; done >sets
find 'a b' -type f ! -path '*/.done/*' | sed 's|^a b/||' | LC_ALL=C sort >made
{
	echo report.html
	echo kde_models/m.trace
	echo kde_models/m_kernels.trace
	echo tables/m_lambada_counts.trace
	echo plots/basic/m_combined_weights_sum_lambada.svg
	echo plots/basic/m_expert_load_lambada.svg
	sed 's|.*|logs/m_&_internal_routing.json|' sets
	sed 's|.*|tables/m_&.trace|' sets
	for d in hellaswag wikitext; do
		for by in layer kth rank; do printf 'tables/m_%s_pval_%s.%s\n' $d $by trace $d $by tsv; done
	done
	for l in 3 7; do
		for k in '' _trimmed_2 _trimmed_4 _trimmed_8 _gaussian _tophat _epanechnikov _linear; do
			echo "kde_models/m_distribution_model_layer_$l$k.pkl"
		done
		echo "plots/basic/expert_weights_sum/m_layer_${l}_weights_sum_lambada.svg"
		echo "plots/basic/expert_choice_counts/m_layer_${l}_choice_counts_lambada.svg"
		echo "plots/basic/router_softmax/m_layer_${l}_softmax_lambada.svg"
		echo "plots/basic/router_raw_logits/m_layer_${l}_raw_logits_lambada.svg"
		e=0
		while [ $e -lt 64 ]; do
			echo "plots/per_expert/per_expert_softmax/m_layer_${l}_expert_${e}_softmax_lambada.svg"
			echo "plots/per_expert/per_expert_raw_logits/m_layer_${l}_expert_${e}_raw_lambada.svg"
			[ $((e % 4)) -ne 0 ] || for d in hellaswag wikitext; do
				echo "plots/pvalue/pvalue_vs_uniform/m_pvalue_uniform_layer_${l}_experts_$((e + 1))_to_$((e + 4))_$d.svg"
				echo "plots/pvalue/pvalue_by_popularity/m_pvalue_popularity_layer_${l}_rank_$((e + 1))_to_$((e + 4))_$d.svg"
			done
			e=$((e + 1))
		done
		for d in hellaswag wikitext; do
			echo "plots/kde/kde_cumulative_density/m_kde_density_layer_${l}_$d.svg"
			echo "plots/kde/trimmed_comparison/m_trimmed_comparison_layer_${l}_$d.svg"
			echo "plots/kde/kernel_comparison/m_kernel_comparison_layer_${l}_$d.svg"
			echo "plots/pvalue/pvalue_basic/m_pvalue_layer_${l}_$d.svg"
		done
	done
} | LC_ALL=C sort >want
is 'the tree, file by file' '' sh -c 'diff want made | head -n 5'
is 'every picture is one' '' sh -c 'find "a b/plots" -name "*.svg" | while read -r f; do tail -n 3 "$f" | grep -q "^</svg>" || echo "$f"; done | head -n 3'
same 'its p-values are those of the exact tables' "log2trace -q -m m 'a b/logs/m_wikitext_internal_routing.json' | logit-pval -m 'a b/kde_models/m.trace' | pval-stats -q --by kth -t" "cat 'a b/tables/m_wikitext_pval_kth.tsv'"
for py in python3 /usr/bin/python3; do ! $py -c 'import numpy' 2>/dev/null || break; done
if $py -c 'import numpy' 2>/dev/null; then
	is 'a table that Python loads' '10000 float64' $py -c "import pickle; t = pickle.load(open('a b/kde_models/m_distribution_model_layer_7_tophat.pkl', 'rb')); print(len(t['x']), t['cdf'].dtype)"
else
	skip_one 'no numpy'
fi
state() { find 'a b' -type f ! -path '*/.done/*' -exec stat -c '%n %Y %i' {} + | sort; }
state >before
ok 'again' router-analysis s.jsonc
same 'no file is another' state 'cat before'
sleep 1
cp -r 'a b' old && rm -rf 'a b/plots/pvalue' 'a b/report.html'
ok 'what is gone is made again' router-analysis s.jsonc
is 'the same bytes' '' sh -c 'diff -r -x .done "a b" old | head -n 5'
cp 'a b/logs/m_wikitext_internal_routing.json' "a b/logs/m_hellaswag_internal_routing.json"
touch -t 202001010000 "a b/logs/m_hellaswag_internal_routing.json"
ok 'another log, of whatever time' router-analysis --stage 6 s.jsonc
same 'is read' "cut -f 2- 'a b/tables/m_hellaswag_pval_layer.tsv'" "cut -f 2- 'a b/tables/m_wikitext_pval_layer.tsv'"
for t in '[4, 0]' '[1]'; do
	echo "{\"model_name\": \"m\", \"output_dir\": \"a b\", \"kde_trim_amounts\": $t}" >t.jsonc
	router-analysis --stage 2,6 t.jsonc && sed 1d 'a b/tables/m_wikitext_pval_layer.tsv'
done | sort -u | wc -l >count # a line a layer
is 'p is of the table that nothing was trimmed from' 2 sh -c 'cat count | tr -d " "'
router-analysis --stage 2,6 s.jsonc
sleep 1
echo '{"model_name": "m", "output_dir": "a b", "plot_format": "pdf", "run_per_expert_plots": false, "run_pvalue_plots": false}' >p.jsonc
ok 'other pictures' router-analysis p.jsonc
is 'only those whose settings are others' '0 12 0' sh -c 'cd "a b" && echo $(find kde_models tables -newer ../p.jsonc -type f | grep -c .) $(find plots/kde -name "*.pdf" | wc -l) $(find plots/per_expert plots/pvalue -name "*.pdf" | wc -l)'
ok 'as the original has it' router-analysis --compat --stage 2 s.jsonc
is 'its cumulated sum' 8 sh -c "trace-heads 'a b/kde_models/m.trace' | grep -c '^@kde.* table=cumsum'"
fails 2 'another key' "echo '{\"model_name\": \"m\", \"modle\": 1}' >k.jsonc; router-analysis k.jsonc" 'k.jsonc:1:21: no key modle'
fails 2 'no name' "echo '{}' >k.jsonc; router-analysis k.jsonc" 'no model_name'
for k in '"kde_trim_amounts": 2' '"run_basic_plots": "yes"' '"datasets": "lambada"'; do
	fails 2 "another type: $k" "echo '{\"model_name\": \"m\", $k}' >k.jsonc; router-analysis k.jsonc" 'k.jsonc: .* is (no list|neither true nor false)'
done
echo '{"model_name": "m", "output_dir": "e", "kde_test_datasets": [], "kde_kernels": [], "run_basic_plots": false, "run_per_expert_plots": false}' >e.jsonc
mkdir -p e && cp -r 'a b/logs' e
ok 'empty lists' router-analysis e.jsonc
is 'are empty' '8 0' sh -c 'echo $(ls e/kde_models/*.pkl | wc -l) $(ls e/tables | grep -c pval)'
fails 2 'no data set of that name' "echo '{\"model_name\": \"m\", \"output_dir\": \"a b\", \"kde_test_datasets\": [\"c4\"]}' >k.jsonc; router-analysis k.jsonc" 'c4 is none of datasets'
# stage 1
S=$TOP/examples/tiny-switch
mkdir texts
cp "$TOP"/examples/text/*.jsonl texts
cp "$GOLD/tiny-switch.ids" ids
ok 'from a checkpoint' router-analysis --stage 1,2 --checkpoint "$S" --texts texts --out cp
is 'a log of each file' 'harbour kitchen numbers' sh -c "ls cp/logs | sed 's/^tiny-switch_\(.*\)_internal_routing.json$/\1/' | xargs"
is 'the first learns, by the trims that leave something' 28 sh -c 'ls cp/kde_models/*.pkl | wc -l'
$py - >said <<'PY'
import json
log = json.load(open("cp/logs/tiny-switch_kitchen_internal_routing.json"))
texts = {json.loads(l)["text"] for l in open("texts/kitchen.jsonl")}
s = log["samples"]
# as the Tokenizers library has them
ids = [len(l.split()) - 1 for l in open("ids") if l.startswith("kitchen\t")]
print(log["config"], log["dataset"], log["num_experts"], log["top_k"], log["num_layers"], len(s) == len(texts))
print(sorted(x["num_tokens"] for x in s) == sorted(ids), {len(x["layers"]) for x in s},
      all(len(l["router_logits_sample"]) == x["num_tokens"] for x in s for l in x["layers"]))
PY
is 'which says what was captured: whole texts, no prefix' 'tiny-switch kitchen 8 1 4 True
True {4} True' cat said
echo '{"model_name": "m", "datasets": ["numbers"], "kde_train_dataset": "numbers", "max_samples": {"numbers": 5}, "max_length": 7}' >n.jsonc
ok 'by settings' router-analysis --stage 1 --checkpoint "$S" --texts texts --out n n.jsonc
is 'so many samples, so long' '[7, 7, 7, 7, 7]' $py -c 'import json; print([s["num_tokens"] for s in json.load(open("n/logs/m_numbers_internal_routing.json"))["samples"]])'
printf '*\t*\tnone\t-\t9\n' >none.tsv
fails 2 "rules of one's own" "router-analysis --stage 1 --checkpoint $S --texts texts --rules none.tsv --out o n.jsonc" 'no record has a text in none'
echo '{"model_name": "m", "datasets": ["lambada"]}' >l.jsonc
fails 2 'texts that are absent' "router-analysis --stage 1 --checkpoint $S --texts texts --out o l.jsonc" 'texts/lambada: neither'
fails 2 'a folder without texts' "mkdir -p nothing; router-analysis --checkpoint $S --texts nothing --out o" 'nothing: no .jsonl'
fails 2 'a checkpoint without texts' "router-analysis --checkpoint $S" 'give --texts'
fails 2 'no checkpoint' 'router-analysis --stage 1 --checkpoint none --texts texts --out o n.jsonc' none
fails 3 'a log that is absent' 'router-analysis --model qwen --out q' 'qwen3_30b_a3b_lambada_internal_routing.json is absent'
fails 2 'a log that is broken' "mkdir -p c/logs; for d in lambada hellaswag wikitext; do echo '{\"samples\": [' >c/logs/m_\${d}_internal_routing.json; done; router-analysis --out c s.jsonc" 'm_lambada_internal_routing.json:'
is 'usage' 2 sh -c 'router-analysis 2>/dev/null; echo $?'
fails 2 'an option' 'router-analysis --nosuch' '--nosuch: no such option'
fails 2 'no such checkpoint' 'router-analysis --checkpoint none --texts .' '--checkpoint none: no folder'
done_testing
