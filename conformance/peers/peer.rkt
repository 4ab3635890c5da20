#lang racket/base
;; The other side of conformance case 143: Racket's own unix-socket library, told what to do line
;; by line. Each line of standard input is a command, each answered by one line; see src/foreign.rs.

(require file/sha1 racket/port racket/random racket/string racket/unix-socket)

(define listener #f)
(define in #f)
(define out #f)
(define kept '())

;; An address as the library takes it: a path, or the bytes of an abstract name. What is not a
;; path at all, as Racket sees it, becomes #f.
(define (address text)
  (define bytes (hex-string->bytes (substring text 2)))
  (if (char=? (string-ref text 0) #\p)
      (with-handlers ([exn:fail? (lambda (_) #f)]) (bytes->path bytes))
      bytes))

(define (serve at)
  (set! listener (unix-socket-listen (address at)))
  "listening")

(define (accept)
  (set!-values (in out) (unix-socket-accept listener))
  "accepted")

(define (connect to)
  (set!-values (in out) (unix-socket-connect (address to)))
  "connected")

(define (fill at)
  (let loop ([clients 0])
    (define errno
      (with-handlers ([exn:fail? errno-of])
        (define-values (i o) (unix-socket-connect (address at)))
        (set! kept (list* i o kept))
        #f))
    (if errno (format "filled ~a ~a" clients errno) (loop (add1 clients)))))

(define (empty)
  (for ([port kept]) (if (input-port? port) (close-input-port port) (close-output-port port)))
  (set! kept '())
  "emptied")

(define (echo)
  (define buf (make-bytes 65536))
  (let loop ([total 0])
    (define received (read-bytes-avail! buf in))
    (cond [(eof-object? received)
           (close-output-port out)
           (format "echoed ~a" total)]
          [else
           (write-bytes buf out 0 received)
           (flush-output out)
           (loop (+ total received))])))

(define (check length)
  (define sent (crypto-random-bytes (string->number length)))
  (define sender (thread (lambda () (write-bytes sent out) (close-output-port out))))
  (define received (port->bytes in #:close? #f))
  (thread-wait sender)
  (if (equal? received sent) (format "same ~a" (bytes-length received)) "different"))

(define (write digits)
  (write-bytes (hex-string->bytes digits) out)
  (flush-output out)
  "wrote")

(define (read)
  (define buf (make-bytes 65536))
  (define received (read-bytes-avail! buf in))
  (if (eof-object? received)
      "end"
      (format "read ~a" (bytes->hex-string (subbytes buf 0 received)))))

(define (close-read) (close-input-port in) "closed")
(define (close-write) (close-output-port out) "closed")
(define (close) (close-input-port in) (close-output-port out) "closed")

(define (legal at)
  (if (unix-socket-path? (address at)) "yes" "no"))

(define (errno-of error)
  (cond [(regexp-match #rx"errno[=: ]+([0-9]+)" (exn-message error)) => cadr]
        [else (string-replace (exn-message error) "\n" " ")]))

(define commands
  (hash "serve" serve "accept" accept "connect" connect "fill" fill "empty" empty "echo" echo
        "check" check "write" write "read" read "close-read" close-read
        "close-write" close-write "close" close "legal" legal))

(for ([line (in-lines)])
  (define words (string-split line))
  (displayln
   (with-handlers ([exn:fail? (lambda (error) (format "failed ~a" (errno-of error)))])
     (apply (hash-ref commands (car words)) (cdr words))))
  (flush-output))
