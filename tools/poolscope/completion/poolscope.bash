# SPDX-License-Identifier: MIT
# bash completion for poolscope
_poolscope()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local commands="report info lm symbols vm poolused bigpool walk check pool poolval poolfind poolmap callers"
	local options="--json --pooltag= --symbols= --force-symbols
		--fetch-symbols --deep --cache-index --help --usage --version"
	local command= word dump=

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		-*) ;;
		*) if [[ -z $command && " $commands " == *" $word "* ]]; then
			command=$word
		   else
			dump=$word
		   fi ;;
		esac
	done
	[[ $command == report || -z $command ]] && options+=" --all"
	[[ $command == callers ]] &&
		options+=" --images= --tag= --csv --pooltag-txt"
	[[ $command == vm ]] && options+=" --quota"
	compopt +o nospace 2>/dev/null
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$options" -- "$cur"))
		[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	elif [[ $command == vm && -n $dump ]]; then
		COMPREPLY=($(compgen -W "0 1 4 5 20 21 25" -- "$cur"))
	elif [[ $command == poolused && -n $dump ]]; then
		COMPREPLY=($(compgen -W "0 1 2 3 4 5 8 9 a c /t10 /t20" \
			-- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		COMPREPLY=($(compgen -f -- "$cur"))
		[[ $COMP_CWORD == 1 ]] &&
			COMPREPLY+=($(compgen -W "$commands" -- "$cur"))
	fi
	return 0
}
complete -F _poolscope poolscope
