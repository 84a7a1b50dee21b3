# Scripts that print the same in the terminal as with the real curl. Each is as many lines as belong together.
curl -s localhost:4151/a
curl -s 'localhost:4151/a?x=1&y=2' http://localhost:4151/b
curl -s localhost:4151
curl -s 'localhost:4151?x=1'
curl -s 'localhost:4151/a?x=1#part'
curl -s -X POST http://localhost:4151/a
curl -sXPUT -d x localhost:4151/a
curl -s -d a -d b=1 localhost:4151/a
curl -sd 'a b' --data-raw @c localhost:4151/a
printf 'a\nb\r\n' | curl -s -d @- localhost:4151/a
printf 'a\nb\r\n' | curl -s --data-binary @- localhost:4151/a
curl -s --data-binary @- localhost:4151/a <<< 'here'
curl -s --data-binary @- localhost:4151/a <<EOF
one
two
EOF
curl -s --data-urlencode 'a b&c' --data-urlencode 'x=1 2/é' --data-urlencode '=y=z' localhost:4151/a
echo 'p q' | curl -s --data-urlencode n@- localhost:4151/a
curl -s --json '{"a":1}' localhost:4151/a
curl -s --json '{"a":' --json '1}' -H 'Accept: x/y' localhost:4151/a
curl -s -d x -H 'Content-Type: text/x' localhost:4151/a
curl -s -d x -H 'Content-Type:' localhost:4151/a
curl -s -H 'X-One: 1  2' -H 'Accept:' localhost:4151/a
curl -s -H 'X-One;' localhost:4151/a
curl -s -H 'X-One: 张三 é' localhost:4151/a
curl -s -H $'X-One: \xff' localhost:4151/a
curl -s -u user:pass localhost:4151/a
curl -sG -d a=1 -d b=2 localhost:4151/a
curl -sG -d a=1 --data-urlencode 'b=x y' 'localhost:4151/a?c=3'
curl -si localhost:4151/status/404
curl -s -f localhost:4151/status/404; echo $?
curl -s --fail-with-body localhost:4151/status/500; echo $?
curl -sI localhost:4151/a
curl -si localhost:4151/status/204
curl -s -o /dev/null -w '%{http_code} %{size_download} %{method}\n' localhost:4151/a
curl -s -w '\n%{response_code}\t%%|%{content_type}|%{size_upload}|%{exitcode}\n' -d abc localhost:4151/status/400
curl -s -o /dev/null -o /dev/null -w '%{http_code} ' localhost:4151/a localhost:4151/status/404
curl -s -w '%header{shelf-id}\n' -o - localhost:4151/a
curl -s 'localhost:4151/[1-3]'
curl -s 'localhost:4151/{a,b}/[08-10]'
curl -s 'localhost:4151/[a-c:2]'
curl -s localhost:4151/{x,y}
curl -sg 'localhost:4151/[1-3]'
curl -s 'localhost:4151/a b'; echo $?
curl -s 'localhost:4151/[1-'; echo $?
curl -s; echo $?
curl --no-such-option; echo $?
curl -s foo://localhost:4151/ ; echo $?
curl -X; echo $?
curl -s --url localhost:4151/a -- localhost:4151/b
curl -s http://user@localhost:4151/a
curl -s -m 5 --connect-timeout 2 --retry 1 -L -k --compressed -N localhost:4151/a | grep -o '^GET [^ ]*'
for i in {1..3};do curl -s -d "message $i" localhost:4151/pub?topic=public ;done
curl -s -X POST localhost:4151/create\?topic\=public\&channel\=xx1
curl -s localhost:4151/a | head -c 5
curl -s -X DELETE localhost:4151/a && echo gone
curl -s localhost:4151/a/../b
