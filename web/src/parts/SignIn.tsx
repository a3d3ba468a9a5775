import { useState } from "preact/hooks";
import { type ApiError, post } from "../api/client";

/** Where a server asks for its token: it is kept in a cookie that no script can read. */
export function SignIn() {
  const [token, setToken] = useState("");
  const [wrong, setWrong] = useState<string>();
  const enter = async () => {
    try {
      await post("/session", { token });
      window.location.reload();
    } catch (error) {
      setWrong((error as ApiError).message);
    }
  };
  return (
    <section class="card" aria-labelledby="sign-in">
      <header>
        <h2 id="sign-in">This service asks for its token</h2>
      </header>
      <form
        class="form body"
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <div>
          <label for="token">Token</label>
          <input
            id="token"
            class="field"
            type="password"
            autocomplete="current-password"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
            aria-describedby={wrong ? "token-wrong" : undefined}
          />
          {wrong && (
            <p id="token-wrong" class="wrong">
              {wrong}
            </p>
          )}
        </div>
        <button type="submit" class="button main">
          Sign in
        </button>
      </form>
    </section>
  );
}
