#!/bin/sh
# OpenFace's script names run those scripts (align-dlib.py, ./util/align-dlib.py, ...); everything
# else is a command of openfaceplus.
root=/opt/openfaceplus
case "${1-}" in
*.py | *.lua)
    for place in "" util/ batch_represent/ batch-represent/ demos/; do
        script="$root/$place${1#./}"
        if [ -f "$script" ]; then
            shift
            exec python "$script" "$@"
        fi
    done
    ;;
esac
exec openfaceplus "$@"
