# bash completion for @UAOE_NAMES@. What there is to complete, @UAOE_COMPLETE@ says.
_uaoe() {
    local cur prev words cword line
    _get_comp_words_by_ref -n := cur prev words cword || return
    COMPREPLY=()
    while IFS= read -r line; do
        if [ "$line" = :files ]; then
            _filedir
            return
        fi
        COMPREPLY+=("${line%%$'\t'*}")
    done < <(@UAOE_COMPLETE@ "${words[@]:0:cword}" "$cur")
} && complete -F _uaoe @UAOE_NAMES@
