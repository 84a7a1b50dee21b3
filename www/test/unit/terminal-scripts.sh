# Scripts that print the same in the terminal's shell as in bash. Each is as many lines as belong together.
echo a   b 'c  d' "e  f" \g
i=1; echo $((i++)) $i $((++i)) $((i+=5)) $((i*=2)) $i $((i--)) $((y=i=3)) $y
x=5; echo $x ${x}y "$x" '$x' \$x
echo {1..10} {a..e} {01..10..3} a{b,c}d{1,2} {x} {} {a,b{1,2}} '{1,2}' "{1..3}" {3..1}
set -e; echo a; false || echo b; if false; then echo c; fi; ! true; while false; do :; done; false && true; echo d; x=$(false; echo e); echo $x; { false && true; }; (false || true); echo f | false | cat; echo g; false; echo no
set -e; (echo a; false; echo b); echo no
set -e; (false; echo a) || echo b; { false; echo c; } || echo d; if { false; true; }; then echo e; fi; (false) && echo no; echo f; x=$(false); echo no
set -e; for i in 1 2; do echo $i; [ $i = 2 ]; done; echo no
set -e -o pipefail; false | true; echo no
set -eo pipefail; (exit 3) | (exit 4) | true || echo $?; set +o pipefail; false | true; set +e; false; echo $?
set -e; echo a | { read x; false; echo no; } || echo b; (exit 5) & wait $! || echo $?; ((0)) || echo c; ((0)); echo no
set -e; seq 3 | while read n; do echo $n; [ $n != 2 ]; done; echo no
set -e; true && false; echo no
set -u; x=; echo "[$x]" ${y:-d} ${y+z} $@; { y=$(echo $z; echo no); } 2> /dev/null; echo $?; (echo ${#z}; echo no) 2> /dev/null; echo $?; (echo $((z + 1)) || echo no) 2> /dev/null; echo $?; set +u; echo "[$z]"
(set -euo pipefail; for i in 1 $z; do echo no; done; echo no) 2> /dev/null; echo $?; (set -u; echo a | cat ${z%a}; z=1; echo $z; if [ "$n" ]; then echo no; fi; echo no) 2> /dev/null; echo $?
set -e; echo a | grep b; echo no
for ((i=0;i<3;i++)); do echo $i; done; echo $i; for ((i = 10; i > 0; i -= 3)) do (( i % 2 )) && continue; echo $i; done; for (( ; ; )); do ((n++ > 2)) && break; done; echo $n
for ((i=0, j=5; i < j; i++, j--))
do
  echo $i $j
done
for ((i=0;i<0;i++)); do echo no; done; echo $?; x=3; ((x)); echo $?; ((x-3)); echo $?; (( (x + 1) * 2 == 8 )) && echo eight; while ((x-- > 0)); do echo $x; done; if ((x < 0 && x > -5)); then echo $((1, 2)); fi
((echo a); echo b); echo $( (echo c); echo d); ( (echo e) ); ((x = 5)) > /dev/null; echo $x; for ((i=$x;i<7;i++)); do echo $i; done | tail -n 1; for ((i=0;i<9;i++)); do for ((j=0;j<9;j++)); do break 2; done; done; echo $i$j
for i in {1..3};do echo -n "$i ";done; echo
for i in a b c; do for j in 1 2 3; do [ $j = 2 ] && continue 2; echo $i$j; done; done
true && echo yes || echo no; false && echo yes || echo no; ! true; echo $?
echo one | tr a-z A-Z | tr -d E
printf '%s-%s\n' a b c d e
printf '%05d|%-6s|%6s|%x|%%|%b\n' 42 ab cd 255 'a\tb'
printf 'Emma\nUlysses\n' | wc -l
printf 'b\na\nc\na\n' | sort | uniq -c
printf 'b\na\nc\na\n' | sort -ru
printf '10\n9\n100\n' | sort -n
printf '10\n9\n100\n' | sort
seq 3; seq 2 4; seq 1 2 7; seq -s, 5; seq 5 -2 1; seq -w 8 11
echo $((1+2*3)) $((2**10)) $((7/2)) $((7%3)) $((1<2)) $(( (1+2)*3 )) $((x=1))
x=3; echo $((x+1)) $(($x*2)); y=$((x*x)); echo $y
echo "$(echo hi | tr h H)" $(echo a; echo b) "$(printf 'a\nb\n\n')"
echo "a'b" 'a"b' "a\"b\\c\$d\e" $'a\tb\n\'c\x41'
cat <<EOF
hello $((1+1)) \$x
  two
EOF
cat <<'EOF'
hello $x
EOF
cat <<< "here $((3))"
cat <<-EOF | tr a-z A-Z
	tabbed
	EOF
if [ 1 -lt 2 ]; then echo lt; elif true; then echo no; else echo ge; fi
if false; then echo 1; elif [ -n "" ]; then echo 2; else echo 3; fi
i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done
i=0; until [ $i -ge 3 ]; do i=$((i+1)); [ $i = 2 ] && break; done; echo $i
printf 'a b\nc d e\n' | while read -r x y; do echo "$y:$x"; done
printf 'x,y\nx,y,\nx,y,z,\n,y\nx\n,\n' | while IFS=, read -r a b; do echo "[$a][$b]"; done
printf '  a  b \n\ta\t\n' | while IFS= read -r line; do echo "[$line]"; done; echo "[$IFS]"
echo ' x , y z , ' | { IFS=', ' read -r a b; echo "[$a][$b]"; }; echo 'x , , y' | { IFS=' ,' read a b; echo "[$a][$b]"; }; echo 'a b:c d ' | { IFS=: read a b; echo "[$a][$b]"; }
IFS=, read a <<< "x,"; echo "$a"; IFS=, read a <<< "x,,"; echo "$a"; IFS=: read a b c <<< "1:2"; echo "$a-$b-$c"; read <<< "  a b  "; echo "[$REPLY]"
read a b <<< 'x\ y z\\w'; echo "$a|$b"; read -r a b <<< 'x\ y z'; echo "$a|$b"; read -p 'name? ' a <<< 'x\ '; echo "[$a]"; read -r a b <<< 'x\ '; echo "[$a][$b]"
read a <<< 'x\
y'; echo $a
was=$IFS; IFS=,; x=a,b; echo $x; IFS=$was; echo $x; x="a  b"; echo $x
x=a,b,,c,; IFS=,; for i in $x; do echo "<$i>"; done; echo $x "$x"; IFS=', '; y=' p , q r,,s '; for i in $y; do echo "<$i>"; done; for i in $(echo a,b); do echo $i; done; unset IFS; for i in $y; do echo "<$i>"; done; IFS=; for i in $y; do echo "<$i>"; done
IFS=:; z=:a:; for i in 1$z2 "q"$z"r" $z ""$z; do echo "<$i>"; done; IFS='^]-\'; z='a^b]c-d\e'; echo $z
break 2> /dev/null; echo $?; if true; then continue 2> /dev/null; fi; echo a; (break 2> /dev/null; echo b); { break; } 2> /dev/null; echo c
for i in 1 2; do (break 2> /dev/null; echo in); echo $i | { break 2> /dev/null; echo piped; }; x=$(break; echo a); echo "<$x>"; done
for i in 1 2; do for j in 1 2; do break 9; done; echo x; done; echo $?; for i in 1 2; do for j in 1 2; do continue 9; done; echo x; done; for i in 1 2; do break 0 2> /dev/null; echo x; done; echo $?
(x=9; echo $x); echo ${x:-none}
{ echo a; echo b; } | wc -l
echo a > /dev/null; echo b 2>&1; echo c >&2; echo d &> /dev/null
echo "x" # a comment
# a comment
echo a#b; echo \#; echo '#'
echo a \
  b
echo a |
  tr a b
false ||
  echo or
x='a  b'; echo $x; echo "$x"; for w in $x; do echo "[$w]"; done
x=; echo "[$x]" [$x] $x; for w in "$x" $x ''; do echo "[$w]"; done
x=foo.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} ${y-d} ${y:-e f} ${x:+alt} "${z:=q w}" $z
sleep 0.01 & wait $!; echo $?
sleep 0.1 & sleep 5 & sleep 0.3; kill %1 2> /dev/null; echo $?; sleep 5 & kill %3; echo $?; wait %3; echo $?; kill %2; wait; kill %1 2> /dev/null; echo $?
sleep 0 & sleep 0.3; kill $! 2> /dev/null; echo $?; wait $!; echo $?; kill %1 2> /dev/null; echo $?; sleep 5 & kill %1 99999999 2> /dev/null; echo $?; kill nobody 2> /dev/null; echo $?
sleep 5 & kill -0 $!; echo $?; kill -9 %%; wait $! 2> /dev/null; echo $?; sleep 5 & kill -s HUP $!; wait $! 2> /dev/null; echo $?; kill -FOO $! 2> /dev/null; echo $?; kill 2> /dev/null; echo $?
(exit 3); echo $?; (exit 4) & wait $!; echo $?
echo a:b:c | cut -d: -f2; echo a:b:c | cut -d: -f1,3; echo a:b:c | cut -d: -f2-; echo abc | cut -c2-3; echo abc | cut -d: -f2
seq 5 | paste -sd, -; seq 6 | paste - - -; seq 3 | paste -sd+
seq 20 | head -n 2; seq 20 | tail -n 2; seq 20 | head -3 | tail -1; seq 5 | tail -n +4; seq 5 | head -n -3; echo abcdef | head -c 3
printf 'foo\nbar\nFoo\n' | grep foo; printf 'foo\nbar\nFoo\n' | grep -ic foo; printf 'foo\nbar\n' | grep -v foo; printf 'foobar\n' | grep -o 'o\+'
printf 'a1\nb22\n' | grep -E '[0-9]{2}'; printf 'a{b\n' | grep 'a{b'; printf 'a.b\naxb\n' | grep -F a.b; printf 'x\n' | grep y; echo $?
printf 'abc\nabd\n' | grep -n -e '^abc' -e 'd$'; printf 'a b\n' | grep -ow b; printf '[x]\n' | grep '\[x\]'; echo 'a+b' | grep 'a+b'; echo '*a' | grep '*a'
printf 'shelf-receipt: 12\nother\n' | sed -n 's/^shelf-receipt: //p'
printf 'a b a\n' | sed 's/a/x/g'; printf 'a b a\n' | sed 's/a/x/2'; printf 'a/b\n' | sed 's|/|:|'; echo ab | sed -E 's/(a)(b)/\2\1/'; echo ab | sed 's/\(a\)/[&\1]/'
seq 5 | sed -n '2,3p'; seq 5 | sed '$d'; seq 5 | sed '/3/d'; seq 5 | sed -n '/2/,/4/p'; seq 9 | sed 3q; seq 3 | sed -n '2!p'
echo hello | tr a-y b-z; echo 'a  b' | tr -s ' '; echo abc | tr -cd 'ac\n'; echo 'HeLLo' | tr '[:upper:]' '[:lower:]'
echo 'a b c' | wc -w; printf 'abc' | wc -c; printf 'héé' | wc -m
seq 3 | xargs; seq 4 | xargs -n 2 echo x; seq 2 | xargs -I{} echo 'n{}'
printf 'a b\nc d\n\nf "g h"\n' | xargs -L1 printf '<%s>'; seq 5 | xargs -L 2; printf 'a,b c,\n' | xargs -d, printf '<%s>'; printf 'a b\nc\n' | xargs -d '\n' -n1 printf '<%s>'; printf 'a\0b c' | xargs -0 printf '<%s>'
seq 3 | xargs -t -n2 echo; printf '' | xargs echo x; printf '' | xargs -r echo x; printf '' | xargs -n1 echo x; printf " a\\ b 'c d'e \"f'\" \n" | xargs printf '<%s>'; printf ' a b \n\n"c" d\n' | xargs -I% echo '<%>'; printf 'a:b ' | xargs -d: -I{} echo '<{}>'
echo "it's" | xargs 2> /dev/null; echo $?; seq 2 | xargs -n0 2> /dev/null; echo $?; seq 2 | xargs -n1 false; echo $?
date +%s%3N | wc -c; date +%s%N | wc -c; date +%N%% | wc -c; date +%6N | wc -c; date -u '+%Y-%m-%d|%F%t%Z%n%a %b %e'
echo hi | base64; echo aGkK | base64 -d
echo '{"a":{"b":[1,2,{"c":"x"}]},"n":null}' | jq .
echo '{"a":{"b":[1,2,{"c":"x"}]},"n":null}' | jq -c '.a.b[], .n, .a.b[2].c'
echo '{"a":{"b":[1,2,{"c":"x"}]},"n":null}' | jq -r '.a.b[2].c, (.a.b | length), .a["b"][0]'
echo '[{"a":1,"b":"x"},{"a":2,"b":"y"}]' | jq -r '.[] | select(.a == 2) | .b'; echo '[1,2,3]' | jq -c 'map(. > 1), add, .[1:], keys, .[-1]'; echo '{"b":1,"a":2}' | jq -c 'keys'
printf '{"a":1}\n{"a":2}\n' | jq .a
jq -nc '[], {}, [1,[2]], ([1,2][0]), [.[]?], {a:1}.a, {a:(1,2),b:(3,4)}, {if:1}, {a:1|2}, {"a\(1)":2}, [(1,2)|[.]]'
echo '{"id":7,"b c":[1,"x",null,true],"c":{"d":[1]}}' | jq -c '[.id, ."b c"[]], {id}, {id, "b c"}, {"k": .c.d, (.["b c"][1]): 2, z: .id}, {c} , [.["b c"][] | {v: .}], {x: .id | tostring}'
echo '["a",1,null,true,2.5]' | jq -c 'join(","), join(", ","-")'; jq -nr '[]|join(",")'; jq -n '[[1]]|join(",")' 2> /dev/null; echo $?; jq -nc '1|{(.):2}' 2> /dev/null; echo $?
jq -n '5-1, 5 -1, -1, 2*3+4, 2+3*4, 7%3, 7/2, (1,2)+(10,20), null+1, "a"+"b", 10-2-3' | paste -sd' ' -; jq -nc '"a,b"/",", [1,2]-[2], {a:1}+{b:2}, [1]+[2], ([[1],[2]]|add), ([{a:1},{b:2}]|add), ([]|add)'; jq -n '1+"a"' 2> /dev/null; echo $?
echo '{"a":1}' | jq -c '.x // "d", (.a,null,false,2) // 9, (null,false)//(1,2), .x // .y // 3, (.a.b? // 4)'; jq -nc 'true and false, (true or (1|.a)), ((true,false) and (true,false)), (1 == 1 and 2 < 1 | not)'
jq -nr '"\(1,2)-\(3,4)", "a\\\\(b)", "a\("b" + "c")d\n\u00e9", "\({a:[1]}) \(null) \("x(y" | length)"'; echo '{"id":1,"body":"x"}' | jq -r '"\(.id): \(.body)"'
jq -nc '1,"2"|tostring,tonumber'; jq -nc '[1,"a",null,{},[],true]|map(type)'; jq -nr '"é"|@base64,(@base64|@base64d)'; echo '{"a":[5]}' | jq -c 'has("a"), has("b"), (.a|has(0), has(1)), .constructor'
seq 3 | jq -s -c '[.[] | . * 2 | select(. > 2)]'
x=$(false); echo $?; x=$(echo a) ; echo $x
a=1 b=2; echo $a$b; a=5 true; echo $a
echo `echo back` "`echo quoted`"
export A=7; echo $A; unset A; echo "[$A]"
echo a; exit 3; echo b
echo -e 'a\tb\\c'; echo -n x; echo -E 'a\tb'
echo "multi
line"
echo a&&echo b;echo c
yes=1;[ "$yes" = 1 ]&&echo ok
for i in 1 2 3
do
  echo $i
done | tail -n 1
echo "中文" | tr 中 外
x='a b'; [[ $x ]] && echo 1; [[ -n $x && -z $y ]] && echo 2; [[ $x == 'a b' ]] && echo 3; [[ $x = a* ]] && echo 4; [[ $x = "a*" ]] || echo 5; [[ $x != b* && ! $x == ?? ]] && echo 6
x=7; [[ $x -gt 5 && x -lt 10 && x+1 -eq 8 ]] && echo 1; [[ a < b && b > a ]] && echo 2; [[ 10 < 9 ]] && echo 3; [[ ( $x = 7 || a = b ) && ! ( a = b ) ]] && echo 4; [[ a = b || $x = 7 ]] && echo 5; [[ $x -ne 7 ]]; echo $?
x=ab12.json; [[ $x =~ ^[a-z]+[0-9]{2}\.json$ ]] && echo 1; [[ $x =~ (x|b1) ]] && echo 2; [[ $x =~ "b." ]] || echo 3; [[ $x =~ ^(ab|cd)[[:digit:]]+ ]] && echo 4; r='^a.1'; [[ $x =~ $r ]] && echo 5; [[ $x == [a-c]b[!a-z]*.json ]] && echo 6; [[ $x == *[[:space:]]* ]] || echo 7; [[ $x == *"12"* ]] && echo 8
if [[ -z "" ]] && [[ -v HOME2 || a == a ]]; then echo 1; fi; while [[ $n -lt 2 ]]; do n=$((n+1)); echo $n; done
[[ a = a &&
  b = b ]] && echo both; [[ {a,b} == '{a,b}' ]] && echo braces; [[ $(echo hi) == h? ]] > /dev/null && echo hi; x=; [[ -z $x ]]; echo $?; [[ ! -z $x ]]; echo $?
set -e; [[ a = b ]] || echo a; [[ a = b ]]; echo no
x=ab12; echo ${x%%[0-9]*} ${x#[a-c]} ${x%[!0-9]*} ${x##*[[:alpha:]]} ${x%2]}
test 3 -gt 2 && echo gt; [ ! -z "a" ] && echo nz
seq 100000 | head -n 1
echo x=y a=b; x=1;x=2 ; echo $x
echo "$(echo "nested $(echo "deep")")"
date -u +%Y >/dev/null; echo $?
printf '\xe4\xb8\xad\n'; echo $'\xe6\x96\x87'; echo -e '\xe4\xb8\xad' | wc -c; printf '\377' | wc -c; printf '\u4e2d\n'
