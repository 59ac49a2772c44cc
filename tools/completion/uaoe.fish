# fish completion for @UAOE_NAMES@. What there is to complete, @UAOE_COMPLETE@ says.
function __uaoe_complete
    set -l current (commandline -ct)
    for line in (@UAOE_COMPLETE@ (commandline -opc) "$current")
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
for name in @UAOE_NAMES@
    complete -c $name -f -k -a '(__uaoe_complete)'
end
