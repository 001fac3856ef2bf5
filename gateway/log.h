/*
 * Log: one line an occurrence on standard error, "time level role message key=value ...".
 *
 * Values from outside are escaped; no secret, phone number, message id or message
 * text is ever passed here. Called by gateway only; lower modules return errors.
 */
#ifndef KEYHOUSE_LOG_H
#define KEYHOUSE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Set once at start. Lines below the level are dropped. role is borrowed for ever. */
void log_init(const char *role, enum log_level level);
/* One write(2) a line, at most 1000 bytes; control characters become \xNN. Threads: any. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
