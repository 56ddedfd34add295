/** What a connection to the API needs to be trusted, and to trust. */
export interface TlsSettings {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
}

/** Where a cluster's API is, and what to present to it. */
export interface ClusterAccess {
  /** Its address, perhaps with a path, without a slash at its end. */
  readonly server: string;
  /** An HTTP proxy on the way to it. */
  readonly proxyUrl?: string;
  /** What a request presents now; read anew where `renew` says that the last ones were refused. */
  credentials(renew: boolean): Promise<Credentials>;
}
