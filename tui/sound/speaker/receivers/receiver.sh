#!/bin/sh
# Earmark's receiver for a POSIX shell: plays what `earmark speaker` sends, with a player that is there already.
#
#   sh -c "$(ssh HOST earmark speaker --receiver sh | sed -n '/^#!/,$p')" - [SSH OPTIONS] HOST
#                                                                             starts ssh itself and answers
#   ssh -T HOST earmark speaker --text | sh receiver.sh                        cannot answer: what is heard is estimated
#
# Sound lives in this shell's memory and in pipes, never in a file. EARMARK_PLAYER names the player to take.

REMOTE='earmark speaker --text'

say() { printf 'earmark: %s\n' "$*" >&2; }

play() { # play PLAYER RATE: 16-bit little-endian frames of one channel from standard input; kill -9 is silence
    case $1 in
        aplay) exec aplay -q -t raw -f S16_LE -c 1 -r "$2" - ;;
        paplay) exec paplay --raw --format=s16le --channels=1 --rate="$2" --latency-msec=50 ;;
        pw-play) exec pw-play --raw --format=s16 --channels=1 --rate="$2" - ;;
        ffplay) exec ffplay -v quiet -nodisp -autoexit -f s16le -ar "$2" -i - ;;
        play) exec play -q -t raw -e signed -b 16 -c 1 -r "$2" --buffer 640 - ;;
        *) exit 1 ;;
    esac
}

find_player() { # the first that plays 50 ms of silence within five seconds
    for player in ${EARMARK_PLAYER:-paplay pw-play aplay play ffplay}; do
        command -v "$player" >/dev/null 2>&1 || continue
        head -c 1600 /dev/zero | play "$player" 16000 >/dev/null 2>&1 &
        p=$!
        # One that waits for a sound server that hangs would wait for ever.
        (for _ in 1 2 3 4 5; do sleep 1; done; kill -9 "$p") >/dev/null 2>&1 &
        watch=$!
        wait "$p" 2>/dev/null
        code=$?
        kill "$watch" 2>/dev/null
        [ $code = 0 ] && return 0
    done
    return 1
}

find_base64() { # systems differ in how they spell decoding
    for unbase64 in 'base64 -d' 'base64 -D' 'openssl base64 -d -A'; do
        [ "$(printf b2s= | $unbase64 2>/dev/null)" = ok ] && return 0
    done
    return 1
}

unpack() { # unpack CODEC: what arrived, as frames
    case $1 in
        flac) flac -dcs --endian=little --sign=signed --force-raw-format - ;;
        gzip) gzip -dc ;;
        *) cat ;;
    esac
}

answer() { printf '%s\n' "$*" >&3 2>/dev/null; }

stop() {
    [ -z "$job" ] || kill "$job" 2>/dev/null
    job=
}

sound() { # sound GENERATION KEY FIRST LAST: in a process of its own, which `stop` ends
    p='' stopped=''
    trap 'stopped=1; [ -z "$p" ] || kill -9 "$p"' TERM
    eval "data=\$data_$2 rate=\$rate_$2 codec=\$codec_$2"
    answer "B $1"
    printf %s "$data" | $unbase64 | unpack "$codec" | tail -c +$(($3 * 2 + 1)) | head -c $((($4 - $3) * 2)) |
        play "$player" "$rate" >/dev/null 2>&1 &
    p=$!
    [ -z "$stopped" ] || kill -9 "$p"
    wait "$p"
    code=$?
    [ -n "$stopped" ] || if [ $code = 0 ]; then answer "E $1"; else answer "X $1 $player ended with $code"; fi
}

receive() { # frames from standard input, answers to descriptor 3
    job='' pieces=' ' begun=''
    trap 'stop; exit 130' INT TERM HUP
    while IFS=' ' read -r word a b c d; do
        if [ -z "$begun" ]; then
            [ "$word $a" = 'EARMARK-SOUND 1' ] || continue
            begun=1
            say "connected; sound goes out by $player. Keep this window open."
            answer "HELLO 1 sh/$player $codecs"
        fi
        case $word in O | D | P | F) case $a$b in *[!0-9a-zA-Z+/=]* | '') continue ;; esac ;; esac
        case $word in
            O)
                case $b$d in *[!0-9]*) continue ;; esac
                case $pieces in *" $a "*) ;; *) pieces="$pieces$a " ;; esac
                eval "data_$a= rate_$a=\$b codec_$a=\$c"
                ;;
            D)
                case $pieces in *" $a "*) eval "data_$a=\$data_$a\$b" ;; esac
                answer A
                ;;
            P)
                stop
                case $a$c$d in *[!0-9]*) continue ;; esac
                case $pieces in *" $b "*) ;; *) continue ;; esac
                sound "$a" "$b" "$c" "$d" </dev/null &
                job=$!
                ;;
            S) stop ;;
            F) forget "$a" ;;
            R)
                stop
                for key in $pieces; do forget "$key"; done
                ;;
            K) answer "K $a" ;;
            Q)
                stop
                say "$a $b $c $d"
                return 0
                ;;
        esac
    done
    stop
    return 1
}

forget() {
    case $pieces in *" $1 "*) ;; *) return ;; esac
    unset "data_$1" "rate_$1" "codec_$1"
    pieces="${pieces%%" $1 "*} ${pieces#*" $1 "}"
}

find_base64 || { say 'neither base64 nor openssl is here to decode with'; exit 1; }
find_player || { say "no player here plays: tried ${EARMARK_PLAYER:-paplay, pw-play, aplay, play (sox) and ffplay}"; exit 1; }
codecs=gzip,pcm
command -v flac >/dev/null 2>&1 && codecs=flac,$codecs

if [ $# -eq 0 ]; then
    exec 3>/dev/null
    receive
    exit
fi
trap 'stop; exit 130' INT
while :; do
    # A pipe for the answers. Its name is gone before anything goes through it.
    pipes=$(mktemp -d) && mkfifo -m 600 "$pipes/answers" && exec 3<>"$pipes/answers" || exit 1
    rm -r "$pipes"
    ssh -T -o ServerAliveInterval=5 -o ServerAliveCountMax=3 "$@" "$REMOTE" <&3 | receive && exit 0
    exec 3>&-
    say 'the connection ended; trying again in three seconds (Ctrl-C ends)'
    sleep 3
done
