-- Quoted names in camel case, text keys, a function that raises without a tenant, a switch that turns every policy off, soft deletion.
-- roles: prisma_app
-- leaks: public."WebhookDelivery"
CREATE TYPE "Role" AS ENUM ('OWNER', 'ADMIN', 'MEMBER');
CREATE TYPE "InvoiceStatus" AS ENUM ('DRAFT', 'SENT', 'PAID', 'VOID');
CREATE TABLE "Tenant" ("id" TEXT NOT NULL, "name" TEXT NOT NULL, "subdomain" TEXT NOT NULL, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL, CONSTRAINT "Tenant_pkey" PRIMARY KEY ("id"));
CREATE UNIQUE INDEX "Tenant_subdomain_key" ON "Tenant"("subdomain");
CREATE TABLE "User" ("id" TEXT NOT NULL, "email" TEXT NOT NULL, "name" TEXT, "passwordHash" TEXT NOT NULL, "tenantId" TEXT NOT NULL, "role" "Role" NOT NULL DEFAULT 'MEMBER', "deletedAt" TIMESTAMP(3), CONSTRAINT "User_pkey" PRIMARY KEY ("id"));
CREATE UNIQUE INDEX "User_tenantId_email_key" ON "User"("tenantId", "email");
CREATE TABLE "Session" ("id" TEXT PRIMARY KEY, "sessionToken" TEXT NOT NULL UNIQUE, "userId" TEXT NOT NULL REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE, "expires" TIMESTAMP(3) NOT NULL);
CREATE TABLE "Client" ("id" TEXT PRIMARY KEY, "tenantId" TEXT NOT NULL REFERENCES "Tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE, "name" TEXT NOT NULL, "vat" TEXT, "metadata" JSONB);
CREATE TABLE "Invoice" ("id" TEXT PRIMARY KEY, "tenantId" TEXT NOT NULL, "clientId" TEXT NOT NULL REFERENCES "Client"("id"), "number" INTEGER NOT NULL, "status" "InvoiceStatus" NOT NULL DEFAULT 'DRAFT', "total" DECIMAL(65,30) NOT NULL, "issuedAt" TIMESTAMP(3), "deletedAt" TIMESTAMP(3));
CREATE UNIQUE INDEX "Invoice_tenantId_number_key" ON "Invoice"("tenantId", "number");
CREATE TABLE "InvoiceLine" ("id" TEXT PRIMARY KEY, "invoiceId" TEXT NOT NULL REFERENCES "Invoice"("id") ON DELETE CASCADE, "description" TEXT NOT NULL, "qty" INTEGER NOT NULL, "unitPrice" DECIMAL(65,30) NOT NULL);
CREATE TABLE "_ClientToTag" ("A" TEXT NOT NULL REFERENCES "Client"("id") ON DELETE CASCADE, "B" TEXT NOT NULL);
CREATE TABLE "Tag" ("id" TEXT PRIMARY KEY, "tenantId" TEXT NOT NULL REFERENCES "Tenant"("id"), "label" TEXT NOT NULL);
ALTER TABLE "_ClientToTag" ADD FOREIGN KEY ("B") REFERENCES "Tag"("id") ON DELETE CASCADE; CREATE UNIQUE INDEX "_ClientToTag_AB_unique" ON "_ClientToTag"("A","B");
CREATE TABLE "WebhookEndpoint" ("id" TEXT PRIMARY KEY, "tenantId" TEXT NOT NULL REFERENCES "Tenant"("id"), "url" TEXT NOT NULL, "secret" TEXT NOT NULL);
CREATE TABLE "WebhookDelivery" ("id" TEXT PRIMARY KEY, "endpointId" TEXT NOT NULL REFERENCES "WebhookEndpoint"("id"), "payload" JSONB NOT NULL, "tenantId" TEXT);
CREATE TABLE "FeatureFlag" ("key" TEXT PRIMARY KEY, "enabled" BOOLEAN NOT NULL DEFAULT false);
CREATE TABLE "_prisma_migrations" (id VARCHAR(36) PRIMARY KEY, checksum VARCHAR(64) NOT NULL, migration_name VARCHAR(255) NOT NULL, started_at TIMESTAMPTZ NOT NULL DEFAULT now());
ALTER TABLE "User" ADD FOREIGN KEY ("tenantId") REFERENCES "Tenant"("id");
CREATE FUNCTION current_tenant_id() RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE t text; BEGIN t := current_setting('app.current_tenant_id', true); IF t IS NULL OR t = '' THEN RAISE EXCEPTION 'tenant context missing'; END IF; RETURN t; END $$;
CREATE FUNCTION is_bypass() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT coalesce(current_setting('app.bypass_rls', true), 'off') = 'on' $$;
DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['User','Client','Invoice','Tag','WebhookEndpoint'] LOOP
 EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY; ALTER TABLE %I FORCE ROW LEVEL SECURITY', t, t);
 EXECUTE format('CREATE POLICY tenant_isolation_policy ON %I USING ("tenantId" = current_tenant_id())', t);
 EXECUTE format('CREATE POLICY bypass_rls_policy ON %I USING (is_bypass())', t); END LOOP; END $$;
ALTER TABLE "Tenant" ENABLE ROW LEVEL SECURITY; CREATE POLICY self ON "Tenant" USING ("id" = current_tenant_id() OR is_bypass());
ALTER TABLE "InvoiceLine" ENABLE ROW LEVEL SECURITY; CREATE POLICY via ON "InvoiceLine" USING ("invoiceId" IN (SELECT "id" FROM "Invoice"));
ALTER TABLE "_ClientToTag" ENABLE ROW LEVEL SECURITY; CREATE POLICY via ON "_ClientToTag" USING (EXISTS (SELECT 1 FROM "Client" c WHERE c."id" = "A") AND EXISTS (SELECT 1 FROM "Tag" t WHERE t."id" = "B"));
ALTER TABLE "Session" ENABLE ROW LEVEL SECURITY; CREATE POLICY via ON "Session" USING (EXISTS (SELECT 1 FROM "User" u WHERE u."id" = "Session"."userId"));
ALTER TABLE "WebhookDelivery" ENABLE ROW LEVEL SECURITY; CREATE POLICY w ON "WebhookDelivery" USING ("tenantId" = current_setting('app.current_tenant_id', true) OR "tenantId" IS NULL);
CREATE FUNCTION soft_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Invoice" SET "deletedAt" = now() WHERE "id" = OLD."id"; RETURN NULL; END $$;
CREATE TRIGGER soft_delete BEFORE DELETE ON "Invoice" FOR EACH ROW EXECUTE FUNCTION soft_delete();
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO prisma_app;
