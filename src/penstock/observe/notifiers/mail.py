"""A notifier that sends each notice as an e-mail."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

from penstock.errors import NoticeRefused
from penstock.observe.notifiers.addresses import connect
from penstock.observe.notifiers.options import Options
from penstock.observe.notifiers.wording import body, subject
from penstock.policy import Notice

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_PERMANENT = 500


class Mail:
    """Sends notices by SMTP. A server that is not there, or will not have it now, is tried again; an e-mail that it
    will never take is given up."""

    def __init__(self, options: Options) -> None:
        options.needed("host")
        options.needed("to")
        self._host = options.text("host")
        self._security = options.choice("security", tuple(_PORTS), "starttls")
        self._port = options.count("port", _PORTS[self._security])
        self._user = options.text("user")
        self._password = options.secret("password_env")
        self._to = options.texts("to")
        self._sender = options.text("from", self._to[0])
        self._timeout = options.number("timeout", 10.0)
        self._allow_private = options.flag("allow_private")
        if bool(self._user) != bool(self._password):
            raise options.wrong("user and password_env belong together")
        if self._user and self._security == "none":
            raise options.wrong("a password is not sent in clear: set security to starttls or tls")
        for address in (*self._to, self._sender):
            if "@" not in parseaddr(address)[1] or not address.isprintable():
                raise options.wrong(f"{address!r} is no e-mail address")

    def notify(self, notice: Notice) -> None:
        """Send a notice."""
        try:
            self._send(self._message(notice))
        except smtplib.SMTPAuthenticationError as error:  # its text is the server's, which has seen the password
            raise OSError(f"{self._host} does not accept the login ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            self._refuse(f"{self._host} takes no e-mail for {', '.join(error.recipients)}", min(codes))
        except smtplib.SMTPResponseException as error:
            self._refuse(f"{self._host} does not take the e-mail", error.smtp_code)
        except smtplib.SMTPException as error:
            raise OSError(f"{self._host}: {type(error).__name__}") from None

    def _refuse(self, message: str, code: int) -> None:
        """Give the e-mail up if the answer is for good, else have it tried again."""
        raise (NoticeRefused if code >= _PERMANENT else OSError)(f"{message} (it answered {code})") from None

    def _send(self, message: EmailMessage) -> None:
        kind = _TlsConnection if self._security == "tls" else _Connection
        with kind(self._host, self._port, self._timeout, allow_private=self._allow_private) as server:
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self._user:
                server.login(self._user, self._password)
            server.send_message(message, from_addr=parseaddr(self._sender)[1], to_addrs=[*self._to])

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(_clean(f"[penstock] {subject(notice)}").split())
        message["From"] = self._sender
        message["To"] = ", ".join(self._to)
        message["Date"] = formatdate(notice.at)
        # The same whenever it is sent, so that mail programs show one that comes twice once.
        digest = hashlib.sha256(notice.id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@penstock>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_clean(body(notice)))
        return message


class _Connection(smtplib.SMTP):
    """One that goes to an address that was judged."""

    def __init__(self, host: str, port: int, timeout: float, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connect(host, port, timeout, allow_private=self._allow_private)


class _TlsConnection(_Connection):
    """The same, with TLS from the first byte."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _clean(text: str) -> str:
    """Text that can be sent: an error may carry any characters."""
    return text.encode("utf-8", "replace").decode()
