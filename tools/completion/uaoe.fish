# fish completion for uaoe(8). What there is to complete, @UAOE_COMPLETE@ says.
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
complete -c uaoe -f -k -a '(__uaoe_complete)'
complete -c uaoed -f -k -a '(__uaoe_complete)'
