# bash completion: the options of a tool are what its --help says.
_moetrace() {
	local word=${COMP_WORDS[COMP_CWORD]} words=
	case $word in
	-*) words=$("$1" --help 2>/dev/null | sed -n 's/^ .\{5\}\(--[a-z0-9-]*\).*/\1/p') ;;
	*) if [ "$1" = moetrace ] && [ "$COMP_CWORD" -eq 1 ]; then
		words="list help $(moetrace list | cut -d' ' -f1)"
	fi ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _moetrace moetrace $(moetrace list 2>/dev/null | cut -d' ' -f1)
