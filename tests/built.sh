# Sourced by checks that run the programs. Sets `built`, the folder that they are in.
#
# Examples as well, and of the whole workspace: only then are the features those of the tests, and
# what the step `test` has built serves here. With RELEASE=yes it is a release build.
case ${RELEASE:-no} in
    yes) built=release cargo_flags=--release ;;
    *) built=debug cargo_flags='' ;;
esac
# shellcheck disable=SC2086
cargo build --workspace --bins --examples --locked --quiet $cargo_flags
built=$(realpath "${CARGO_TARGET_DIR:-target}")/$built
