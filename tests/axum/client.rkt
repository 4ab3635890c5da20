#lang racket/base
;; A request of the axum application, on the socket whose path is the argument.

(require racket/port racket/unix-socket)

(define-values (in out) (unix-socket-connect (vector-ref (current-command-line-arguments) 0)))
(void (write-string "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n" out))
(flush-output out)
(copy-port in (current-output-port))
