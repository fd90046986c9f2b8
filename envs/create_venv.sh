#!/usr/bin/env bash
# Make a Python environment hold exactly the packages of a lock file, each with a sum that the file
# allows, and do nothing when it does.
#
#   envs/create_venv.sh FOLDER LOCK_FILE INSTALLED_GB DOWNLOAD_GB
#
# PYTHON names the interpreter to make it with (python3). Uses bash and coreutils alone until
# that interpreter is known to do.
#
# FOLDER/.setup-done says what the environment holds. It is written last, so that one whose set-up
# was interrupted does not count; it names the folder and the interpreter, so that neither does one
# that was moved, or whose interpreter was replaced. A changed lock file updates the environment.
set -euo pipefail
shopt -s dotglob

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

(($# == 4)) || fail "usage: envs/create_venv.sh FOLDER LOCK_FILE INSTALLED_GB DOWNLOAD_GB"
name=$1 lock=$2 installed_gb=$3 download_gb=$4
python=${PYTHON:-python3}
venv="$(cd -- "$(dirname -- "$name")" && pwd)/$(basename -- "$name")"
done_file=$venv/.setup-done
lock_file=$venv/.setup-lock # held by the process that sets up; also marks the folder as ours

[[ -r $lock ]] || fail "$lock is missing: it pins the packages of $name"
# From an activated environment, `python3` is the very interpreter that is made or replaced here.
PATH=":$PATH:" PATH=${PATH//":$venv/bin:"/:} PATH=${PATH#:} PATH=${PATH%:}
# Meant for other environments; each would put packages into this one, or keep them out of it.
unset PIP_USER PIP_TARGET PIP_PREFIX PYTHONHOME PYTHONPATH

# What the environment is, and what it holds: one line each.
environment() { printf '%s with %s\n' "$venv" "$("$venv/bin/python" -V 2>&1)"; }
packages() { sha256sum <"$lock"; }

recorded=()
read_record() {
    recorded=()
    [[ ! -f $done_file ]] || mapfile -t recorded <"$done_file"
}
usable() { [[ ${recorded[0]-} == "$(environment)" ]]; }
ready() { usable && [[ ${recorded[1]-} == "$(packages)" ]]; }

read_record
! ready || exit 0

# The interpreter.
hint="install one, or name one as in: make figures PYTHON=python3.12"
command -v "$python" >/dev/null || fail "no $python found, and Python 3.11 or newer is needed: $hint"
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') ||
    fail "$python does not run, and Python 3.11 or newer is needed: $hint"
IFS=. read -r major minor _ <<<"$version"
((major > 3 || (major == 3 && minor >= 11))) ||
    fail "$python is Python $version, and 3.11 or newer is needed: $hint"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python ($version) lacks the modules venv and ensurepip: on Debian and Ubuntu run" \
        "'apt install python3-venv', elsewhere $hint"

# One set-up at a time: the descriptor stays locked until this script and its children have ended.
[[ ! -L $venv ]] ||
    fail "$name is a link to another folder, which is left as it is: remove the link (rm $name) and run this again"
if [[ -d $venv && ! -e $lock_file && -n "$(ls -A -- "$venv")" ]]; then
    fail "$name was not made by this set-up and is left as it is: remove it (rm -r $name) and run this again"
fi
mkdir -p -- "$venv"
exec 9>>"$lock_file"
"$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Waiting for another set-up of", sys.argv[1], flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
' "$name" || fail "cannot lock $lock_file: the folder must allow writing and file locks"
read_record
! ready || exit 0

trap 'fail "interrupted: the next call sets $name up again"' INT TERM
list_packages() { "$venv/bin/python" -m pip list --format=freeze --disable-pip-version-check; }
old_packages=
if usable; then
    printf 'Updating %s: %s has changed.\n' "$name" "$lock"
    old_packages=$(list_packages || true)
    mv -- "$done_file" "$done_file.old"
else
    # Whatever an interrupted set-up left, bar the lock that is held.
    for entry in "$venv"/*; do
        [[ $entry == "$lock_file" ]] || rm -rf -- "$entry"
    done

    needed_gb=$((installed_gb + download_gb))
    { read -r _ && read -r free_kb; } < <(df --output=avail -k -- "$venv") ||
        fail "df does not tell how much disk space is free for $venv"
    free_gb=$((free_kb * 1024 / 10 ** 9))
    ((free_gb >= needed_gb)) ||
        fail "not enough disk space for $venv: $free_gb GB are free, $needed_gb GB" \
            "are needed ($installed_gb GB to stay, $download_gb GB while it downloads): free some, or clone elsewhere"
    printf 'Setting up %s: Python %s and the packages of %s (%s GB to download, %s GB on disk; a minute or two on a fast line).\n' \
        "$name" "$version" "$lock" "$download_gb" "$installed_gb"
    "$python" -m venv "$venv" || fail "$python could not make the environment $name: see its messages above"
fi

# Downloads go beside the packages, onto the disk that was just measured: a small /tmp is common.
# A cache of them would take as much again, in home folders that clusters keep small.
mkdir -p -- "$venv/.setup-tmp"
TMPDIR=$venv/.setup-tmp "$venv/bin/python" -m pip install -qq --no-input --no-cache-dir \
    --disable-pip-version-check --require-hashes --requirement "$lock" || {
    # An update that could not begin leaves an environment that still fits the old lock file.
    [[ -z $old_packages || $(list_packages) != "$old_packages" ]] || mv -- "$done_file.old" "$done_file"
    rm -rf -- "$venv/.setup-tmp"
    fail "pip could not install $lock: see its messages above (often no network, or no packages for Python $version), then run this again"
}
rm -rf -- "$venv/.setup-tmp" "$done_file.old"

printf '%s\n' "$(environment)" "$(packages)" >"$done_file.new"
mv -- "$done_file.new" "$done_file"
printf '%s is ready.\n' "$name"
