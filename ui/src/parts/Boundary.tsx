/** Keeps a page that failed from taking the rest with it, and says how to go on. */
import { Component, type ReactNode } from "react";

export class Boundary extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    // The parts of a console that was replaced under an open page are no more.
    const isOld = /dynamically imported module|module script/i.test(error.message);
    return (
      <div className="card problem" role="alert">
        <h1>{isOld ? "A part of the console did not come" : "This page failed"}</h1>
        <p>{isOld ? "The server does not answer, or has another version of the console than the one that is open here." : error.message}</p>
        <div className="bar">
          <button type="button" className="main" onClick={() => location.reload()}>
            Load it again
          </button>
          <a href="/console/runs">All runs</a>
        </div>
      </div>
    );
  }
}
