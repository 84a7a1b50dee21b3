// What went wrong, as a sentence. The broker has one for each of its codes, in English; the common ones are here in Chinese.
import { language } from '../app/texts.js';
import { ApiError, reason } from '../broker/fetch.js';

const CHINESE: Record<string, string> = {
  TOPIC_NOT_FOUND: '没有这个主题：请先创建它，或向它发布一条消息。',
  CHANNEL_NOT_FOUND: '没有这个通道：请先创建它，或订阅它。',
  INVALID_ARG_TOPIC: '主题名由 1 到 64 个字符组成，可用 a-z A-Z 0-9 . _ -，可以 #ephemeral 结尾。',
  INVALID_ARG_CHANNEL: '通道名由 1 到 64 个字符组成，可用 a-z A-Z 0-9 . _ -，可以 #ephemeral 结尾。',
  INVALID_TOPIC: '主题名由 1 到 64 个字符组成，可用 a-z A-Z 0-9 . _ -，可以 #ephemeral 结尾。',
  INVALID_CHANNEL: '通道名由 1 到 64 个字符组成，可用 a-z A-Z 0-9 . _ -，可以 #ephemeral 结尾。',
  INVALID_TIMEOUT: 'timeout 应是一段时长，例如 1500（毫秒）、30s、5m，不超过 max-msg-timeout。',
  INVALID_DEFER: 'defer 应是一段时长，例如 1500（毫秒）、30s、5m，不超过 max-req-timeout。',
  INVALID_TTL: 'ttl 应是一段时长，例如 1500（毫秒）、30s、5m。',
  INVALID_TO: '请给出 earliest、latest、16 位十六进制的消息 ID，或 RFC 3339 时间。',
  INVALID_RETAIN: 'retain 应是一段时长，例如 30s、5m、2h、7d。',
  INVALID_DEAD_LETTER: 'dead_letter 应是一个主题名；留空则死信留在通道里。',
  INVALID_KEY: 'key 最长 256 字节。',
  INVALID_DEDUP: '去重键最长 256 字节。',
  INVALID_MAX_ATTEMPTS: 'max_attempts 应是 0 到 65535 的整数，0 表示不限。',
  INVALID_MAX_IN_FLIGHT: 'max_in_flight 应是 0 到 4294967295 的整数，0 表示不限。',
  INVALID_RETAIN_BYTES: 'retain_bytes 应是字节数，0 表示不按大小保留。',
  INVALID_MAX_BYTES: 'max_bytes 应是字节数，0 表示不限。',
  INVALID_MAX_MESSAGES: 'max_messages 应是消息条数，0 表示不限。',
  HEADERS_TOO_BIG: '消息头超过了服务器允许的大小。',
  BODY_TOO_BIG: '请求体超过了服务器允许的大小。',
  MSG_EMPTY: '消息体不能为空。',
  MSG_TOO_BIG: '消息体超过了服务器允许的大小。',
  TOPIC_FULL: '主题已满：请等消费者处理，或放宽它的限制。',
  STORAGE_FULL: '服务器的磁盘已满。',
  STORAGE_FAILED: '这个主题的日志暂时无法使用，服务器会一直重试：GET /stats 说明原因。',
  STORAGE_UNKNOWN: '是否已保存尚不清楚：请重试，发布时用同一个 Idempotency-Key。',
  STORAGE_UNREADABLE: '有些消息此刻无法从磁盘读出，服务器会一直重试：请稍后再来。',
  NO_OWNER: '此刻没有服务器负责这个主题：请稍后重试。',
  OVERLOADED: '等待写入的消息太多：请稍后重试。',
  ID_PAST_END: '还没有这个 id 的消息。',
  BATCH_TOO_LONG: '一批里的消息太多。',
  UNAUTHORIZED: '服务器需要令牌。',
  FORBIDDEN: '此令牌没有这项权限。',
  EXITING: '服务器正在关闭。',
  READ_ONLY: '这是过去的某一时刻，不能更改。',
};

const OFFLINE = { en: 'The server does not answer. Trying again …', zh: '服务器没有响应，正在重试 …' };

/** A sentence a person can act on. */
export function sentence(why: unknown): string {
  if (why instanceof ApiError) {
    const chinese = language.value === 'zh' ? CHINESE[why.code] : undefined;
    if (chinese !== undefined) return chinese;
    return /\s/.test(why.detail.trim()) && !why.detail.includes('<') ? why.detail : `${why.code} (HTTP ${why.status})`;
  }
  // What `fetch` throws where there is no connection, in the words of each browser.
  if (why instanceof TypeError && /fetch|network|load failed/i.test(why.message)) return OFFLINE[language.value];
  return reason(why);
}
