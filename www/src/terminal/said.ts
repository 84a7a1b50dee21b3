// What the terminal says in words of its own.
import { texts } from '../app/texts.js';

export const t = texts(
  {
    terminal: 'Terminal',
    output: 'Output',
    input: 'Command',
    run: 'Run',
    stop: 'Stop',
    running: 'Running …',
    standsStill: 'Time stands still: what waits goes on with it.',
    welcome: (base: string) => `The broker answers at ${base}. Paste real curl here; Tab completes, and help says what there is.`,
    clear: 'Clear',
    tries: 'To try',
    publish: 'Publish',
    hundred: 'A hundred',
    receive: 'Receive',
    many: 'Ten at once',
    finish: 'Receive and finish',
    follow: 'Follow',
    later: 'Later',
    stats: 'How it stands',
    completions: 'What can stand here',
    notFound: (name: string, all: string) => `${name}: command not found. There are: ${all}`,
    help: (commands: string) =>
      `A small shell, and curl that talks to this broker, whatever host and port the URL has.

# Publish, once and often:
curl -d 'hello' 'localhost:4151/pub?topic=books'
for i in {1..100};do curl -d "n $i" 'localhost:4151/pub?topic=books' ;done
# Receive:
curl 'localhost:4151/sub?topic=books&channel=me&ack=auto'
# More to paste:
curl localhost:4151

Commands: ${commands}
The shell has ' " \\ $x $(…) $((…)) {1..9} | && || ; & wait for while if [[ ]] (( )) set -e > /dev/null << EOF. There are no files.
Keys: Tab completes, ↑ ↓ history, Ctrl-C ends, Ctrl-L clears, Esc then Tab leaves.
`,
  },
  {
    terminal: '终端',
    output: '输出',
    input: '命令',
    run: '运行',
    stop: '停止',
    running: '运行中 …',
    standsStill: '时间已停住：等待中的命令要等时间继续。',
    welcome: (base) => `消息服务在 ${base} 应答。把真正的 curl 命令粘贴进来就能运行；Tab 补全，help 列出可用的命令。`,
    clear: '清屏',
    tries: '试一试',
    publish: '发布',
    hundred: '发一百条',
    receive: '接收',
    many: '一次十条',
    finish: '接收并完成',
    follow: '持续接收',
    later: '延迟投递',
    stats: '查看状态',
    completions: '这里可以填的内容',
    notFound: (name, all) => `${name}：找不到这个命令。可用的有：${all}`,
    help: (commands) =>
      `一个小型 shell，加上只和这个消息服务通信的 curl；URL 里写哪个主机和端口都可以。

# 发布，一条或许多条：
curl -d 'hello' 'localhost:4151/pub?topic=books'
for i in {1..100};do curl -d "n $i" 'localhost:4151/pub?topic=books' ;done
# 接收：
curl 'localhost:4151/sub?topic=books&channel=me&ack=auto'
# 更多可以粘贴的命令：
curl localhost:4151

命令：${commands}
支持的 shell 语法：' " \\ $x $(…) $((…)) {1..9} | && || ; & wait for while if [[ ]] (( )) set -e > /dev/null << EOF。这里没有文件。
按键：Tab 补全，↑ ↓ 历史，Ctrl-C 中断，Ctrl-L 清屏，先按 Esc 再按 Tab 离开。
`,
  },
);
