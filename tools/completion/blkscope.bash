# SPDX-License-Identifier: BSD-2-Clause
# bash completion for blkscope, blkscope serve (nbdkit) and blkscope view (nbdview).
# Options, plug-ins and filters are those that the programs themselves tell.

_blkscope_options() { # PROGRAM...: every --option of its help
	"$@" --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]*=?' | sort -u
}

_blkscope_builtin() { # plugins or filters, of the program "${serve[@]}"
	"${serve[@]}" --dump-config 2>/dev/null | sed -n "s/^builtin_$1=//p"
}

_blkscope_keys() { # what the chosen plug-in and filters take
	local w args=()
	for w in "${COMP_WORDS[@]:1}"; do
		case $w in
		--filter=*) args+=("$w") ;;
		esac
	done
	[ -z "$plugin" ] || args+=("$plugin")
	"${serve[@]}" "${args[@]}" --help 2>/dev/null | sed -nE 's,^\[?([a-z][a-z0-9-]*=).*,\1,p' | sort -u
}

_blkscope_serve() {
	local cur=$1 previous=$2 plugin='' w names
	names=" $(_blkscope_builtin plugins) "
	for w in "${COMP_WORDS[@]:1}"; do
		case $names in
		*" $w "*) [ "$w" = "$cur" ] || plugin=$w ;;
		esac
	done
	case $previous in
	--filter) COMPREPLY=($(compgen -W "$(_blkscope_builtin filters)" -- "$cur")) && return ;;
	-U | --unix | -P | --pidfile) COMPREPLY=($(compgen -f -- "$cur")) && return ;;
	-u | --user) COMPREPLY=($(compgen -u -- "$cur")) && return ;;
	-g | --group) COMPREPLY=($(compgen -g -- "$cur")) && return ;;
	--run) COMPREPLY=($(compgen -c -- "$cur")) && return ;;
	esac
	case $cur in
	--filter=*) COMPREPLY=($(compgen -P --filter= -W "$(_blkscope_builtin filters)" -- "${cur#--filter=}")) ;;
	--core-dumps=*) COMPREPLY=($(compgen -P --core-dumps= -W 'lean whole' -- "${cur#--core-dumps=}")) ;;
	--sandbox=*) COMPREPLY=($(compgen -P --sandbox= -W 'auto on off' -- "${cur#--sandbox=}")) ;;
	--log=*) COMPREPLY=($(compgen -P --log= -W 'stderr syslog null' -- "${cur#--log=}")) ;;
	-*) COMPREPLY=($(compgen -W "$(_blkscope_options "${serve[@]}")" -- "$cur")) ;;
	*)
		if [ -n "$plugin" ]; then
			COMPREPLY=($(compgen -W "$(_blkscope_keys)" -- "$cur"))
		else
			COMPREPLY=($(compgen -W "$names" -- "$cur"))
		fi
		;;
	esac
}

_blkscope_view() {
	local cur=$1
	case $cur in
	--palette=*) COMPREPLY=($(compgen -P --palette= -W 'default light classic' -- "${cur#--palette=}")) ;;
	--also=* | --disk=* | --steps=*) COMPREPLY=($(compgen -P "${cur%%=*}=" -f -- "${cur#*=}")) ;;
	-*) COMPREPLY=($(compgen -W "$(_blkscope_options "${view[@]}")" -- "$cur")) ;;
	*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	esac
}

_blkscope_numbers() { # CURRENT PROGRAM COMMAND
	case $1 in
	--from=* | --to=*) COMPREPLY=($(compgen -P "${1%%=*}=" -W "$("$2" "$3" --help | sed -nE 's/^  ([a-z0-9-]+) .*/\1/p')" -- "${1#*=}")) ;;
	--html=* | --png=* | --steps=* | --disk=*) COMPREPLY=($(compgen -P "${1%%=*}=" -f -- "${1#*=}")) ;;
	-*) COMPREPLY=($(compgen -W "$(_blkscope_options "$2" "$3")" -- "$1")) ;;
	*) COMPREPLY=($(compgen -f -- "$1")) ;;
	esac
}

_blkscope() {
	local program=$1 cur previous serve view
	# bash splits words at `=`: put `--filter = del` together again.
	cur=${COMP_WORDS[COMP_CWORD]}
	previous=${COMP_WORDS[COMP_CWORD - 1]}
	if [ "$cur" = = ]; then
		cur=$previous=
	elif [ "$previous" = = ]; then
		cur=${COMP_WORDS[COMP_CWORD - 2]}=$cur
	fi
	COMPREPLY=()
	case ${program##*/} in
	nbdkit) serve=("$program") && _blkscope_serve "$cur" "$previous" ;;
	nbdview) view=("$program") && _blkscope_view "$cur" ;;
	*)
		serve=("$program" serve)
		view=("$program" view)
		if [ "$COMP_CWORD" = 1 ]; then
			COMPREPLY=($(compgen -W 'at convert diff explain mark replay report serve story view --help --version' -- "$cur"))
		elif [ "${COMP_WORDS[1]}" = serve ]; then
			_blkscope_serve "$cur" "$previous"
		elif [ "${COMP_WORDS[1]}" = view ]; then
			_blkscope_view "$cur"
		elif [[ ${COMP_WORDS[1]} =~ ^(report|diff|convert|replay|explain|story)$ ]]; then
			_blkscope_numbers "$cur" "$program" "${COMP_WORDS[1]}"
		fi
		;;
	esac
	case ${COMP_WORDBREAKS-} in
	*=*) # and give back only what stands behind the `=`
		[[ $cur != *=* ]] || COMPREPLY=("${COMPREPLY[@]#"${cur%%=*}"=}")
		;;
	esac
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null || :
}

complete -F _blkscope blkscope nbdview
# nbdkit may be somebody else's: complete it so only when it is ours.
if nbdkit --dump-config 2>/dev/null | grep -q '^builtin_plugins='; then
	complete -F _blkscope nbdkit
fi
